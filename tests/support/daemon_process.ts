import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { zipSync } from "fflate";
import { SignJWT } from "jose";
import { tempDir } from "./temp_dir.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

export interface DaemonProcessOptions {
  /** Text of `config.yaml`. */
  readonly config: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What clients get to see of a job, as far as tests look at it. */
export interface JobView {
  readonly id: number;
  readonly name: string;
  readonly application: string;
  readonly state: string;
  readonly created_on: string;
  readonly updated_on: string;
}

/** A real daemon in a process of its own, with its own directory, database, key and port. */
export interface DaemonProcess extends AsyncDisposable {
  /** Holds `config.yaml`, `bartender.db`, `jobs/` and `bartender.log`. */
  readonly directory: string;
  readonly url: string;
  readonly pid: number;
  token(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** A request with a token of `alice`; redirects are not followed. */
  call(method: string, path: string, init?: RequestInit): Promise<Response>;
  submit(
    application: string,
    files: Readonly<Record<string, string>>,
    form?: Readonly<Record<string, string>>,
  ): Promise<Response>;
  /** Submits and returns the job's number; throws unless the answer is 303. */
  submitOk(
    application: string,
    files: Readonly<Record<string, string>>,
    form?: Readonly<Record<string, string>>,
  ): Promise<number>;
  job(id: number): Promise<JobView>;
  /** Follows a job until its state is one of `states`. */
  until(id: number, ...states: readonly string[]): Promise<JobView>;
  text(path: string): Promise<string>;
  log(): string;
  /** Ends the process. @returns exit status, null when the signal ended it */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Starts another process on the same directory after `stop`. */
  restart(): Promise<void>;
}

export async function startDaemon(options: DaemonProcessOptions): Promise<DaemonProcess> {
  const dir = tempDir();
  const directory = dir.path;
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(directory, "config.yaml"), options.config);
  writeFileSync(join(directory, "public_key.pem"), publicKey.export({ type: "spki", format: "pem" }));
  mkdirSync(join(directory, "jobs"));
  let process = await launch(directory, options.env ?? {});
  const alice = await sign(privateKey, {});

  const call = (method: string, path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${alice}`);
    return fetch(process.url + path, { ...init, method, headers, redirect: "manual" });
  };
  const submit: DaemonProcess["submit"] = (application, files, form = {}) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(form)) body.set(name, value);
    body.set("upload", zipFile(files));
    return call("PUT", `/api/application/${application}`, { body });
  };
  const job = async (id: number): Promise<JobView> => {
    const response = await call("GET", `/api/job/${id}`);
    if (response.status !== 200) throw new Error(`GET job ${id}: ${response.status} ${await response.text()}`);
    return (await response.json()) as JobView;
  };
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> => {
    const { child } = process;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = new Promise<number | null>((done) => child.once("exit", done));
    child.kill(signal);
    return await ended;
  };

  return {
    directory,
    get url() {
      return process.url;
    },
    get pid() {
      return process.child.pid ?? 0;
    },
    token: (claims = {}) => sign(privateKey, claims),
    call,
    submit,
    async submitOk(application, files, form) {
      const response = await submit(application, files, form);
      if (response.status !== 303) throw new Error(`PUT ${application}: ${response.status} ${await response.text()}`);
      return Number(response.headers.get("location")?.split("/").at(-1));
    },
    job,
    async until(id, ...states) {
      for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(20)) {
        const view = await job(id);
        if (states.includes(view.state)) return view;
      }
      throw new Error(`Job ${id} is ${(await job(id)).state} after 30 s, not ${states.join(" or ")}`);
    },
    async text(path) {
      return await (await call("GET", path)).text();
    },
    log: () => readFileSync(join(directory, "bartender.log"), "utf8"),
    stop,
    async restart() {
      await stop();
      process = await launch(directory, options.env ?? {});
    },
    async [Symbol.asyncDispose]() {
      await stop();
      dir[Symbol.dispose]();
    },
  };
}

/** A zip archive as the part of a form. */
export function zipFile(files: Readonly<Record<string, string>>, name = "input.zip"): File {
  const entries = Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)] as const);
  return new File([zipSync(Object.fromEntries(entries))], name, { type: "application/zip" });
}

function sign(key: KeyObject, claims: Readonly<Record<string, unknown>>): Promise<string> {
  const payload = { sub: "alice", iss: "tests", exp: Math.floor(Date.now() / 1000) + 3600, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: "RS256" }).sign(key);
}

async function launch(
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const logFile = join(directory, "bartender.log");
  const log = openSync(logFile, "w");
  const child = spawn(process.execPath, ["--no-env-file", MAIN, "serve"], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? "", BARTENDER_PORT: "0", BARTENDER_DB_URL: "sqlite:bartender.db", ...env },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await Bun.sleep(20)) {
    const text = readFileSync(logFile, "utf8");
    const url = /listens on (\S+)/.exec(text)?.[1];
    if (url !== undefined) return { child, url };
    if (child.exitCode !== null) throw new Error(`The daemon ended with status ${child.exitCode}:\n${text}`);
  }
  child.kill("SIGKILL");
  throw new Error(`The daemon did not start:\n${readFileSync(logFile, "utf8")}`);
}
