import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { zipSync } from "fflate";
import { SignJWT } from "jose";
import { builtProgram } from "./built_program.ts";
import { endLeftovers } from "./end_leftovers.ts";
import { pauseMs } from "./eventually.ts";
import { privateHome } from "./private_home.ts";
import { tempDir } from "./temp_dir.ts";

const ROOT = resolve(import.meta.dir, "../..");
const MAIN = join(ROOT, "src/main.ts");

/** Below the directory of the daemon. */
const OWN_DATABASE = "sqlite:bartender.db";

/** Long enough for a machine that is busy with ten other things; shorter than a test may take, so that it can tell why. */
const PATIENCE_MS = 100_000;

export interface DaemonProcessOptions {
  /** Text of `config.yaml`. */
  readonly config: string;
  /** Further files beside it. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Program that takes the command `serve`. Default: the real one. */
  readonly main?: string;
  /** What runs it: this very Bun, or Deno by the task `serve` of `deno.json`. Default: bun. */
  readonly runtime?: "bun" | "deno";
  /** How long it may take to start; less than its test may, so that the test can tell why. Default: 100 s. */
  readonly patienceMs?: number;
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
  /** Exit status when the process has ended by itself, else undefined. */
  ended(): number | undefined;
  /** Waits for the end of the process, which is not asked for. @returns the signal that ended it */
  died(): Promise<NodeJS.Signals | null>;
  /** Ends the process. @returns exit status, null when the signal ended it */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Starts another process on the same directory after `stop`. */
  restart(): Promise<void>;
}

let pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } | undefined;

/** The same for all daemons, as making them takes time. */
function keys() {
  pair ??= generateKeyPairSync("rsa", { modulusLength: 2048 });
  return pair;
}

export async function startDaemon(options: DaemonProcessOptions): Promise<DaemonProcess> {
  const dir = tempDir();
  const directory = dir.path;
  const { publicKey, privateKey } = keys();
  writeFileSync(join(directory, "config.yaml"), options.config);
  writeFileSync(join(directory, "public_key.pem"), publicKey.export({ type: "spki", format: "pem" }));
  for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(directory, name), text);
  mkdirSync(join(directory, "jobs"));
  let process = await launch(directory, options).catch((error: unknown) => {
    dir[Symbol.dispose]();
    throw error;
  });
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
      const fromMs = performance.now();
      for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs = performance.now() - fromMs) {
        const view = await job(id);
        if (states.includes(view.state)) return view;
        await Bun.sleep(pauseMs(waitedMs));
      }
      throw new Error(
        `Job ${id} is ${(await job(id)).state} after ${PATIENCE_MS / 1000} s, not ${states.join(" or ")}`,
      );
    },
    async text(path) {
      return await (await call("GET", path)).text();
    },
    async died() {
      const { child } = process;
      if (child.exitCode === null && child.signalCode === null) {
        await new Promise((done) => child.once("exit", done));
      }
      return child.signalCode;
    },
    log: () => readFileSync(join(directory, "bartender.log"), "utf8"),
    ended: () => process.child.exitCode ?? undefined,
    stop,
    async restart() {
      await stop();
      process = await launch(directory, options);
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await endLeftovers(join(resolve(directory, jobRootIn(options.config)), ".bartender", "attempts"));
      dir[Symbol.dispose]();
    },
  };
}

function jobRootIn(config: string): string {
  return /^job_root_dir: (.*)$/m.exec(config)?.[1] ?? "jobs";
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
  { patienceMs = PATIENCE_MS, ...options }: Pick<DaemonProcessOptions, "env" | "main" | "runtime" | "patienceMs">,
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const { child, output } = spawnDaemon(directory, { ...options, logName: "bartender.log" });
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await Bun.sleep(20)) {
    const url = /listens on (\S+)/.exec(output())?.[1];
    if (url !== undefined) return { child, url };
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`The daemon ended with ${child.exitCode ?? child.signalCode}:\n${output()}`);
    }
  }
  child.kill("SIGKILL");
  throw new Error(`The daemon did not start:\n${output()}`);
}

/** A command of Bartender in a process of its own, whatever becomes of it. */
export interface SpawnedCommand extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it wrote to standard output and standard error so far. */
  output(): string;
  /** @returns the exit status, null when a signal ended it */
  ended(): Promise<number | null>;
}

/**
 * Starts another command in the directory of a daemon, in its environment.
 *
 * @param logName file in `directory` for all that it writes
 * @param args default: `serve`
 */
export function spawnDaemon(
  directory: string,
  options: {
    readonly logName: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly args?: readonly string[];
    readonly main?: string;
    /** Command line before that of Bartender, e.g. to run it elsewhere; on Bun only. */
    readonly prefix?: readonly string[];
    readonly runtime?: "bun" | "deno";
  },
): SpawnedCommand {
  const logFile = join(directory, options.logName);
  const log = openSync(logFile, "w");
  const database = options.env?.BARTENDER_DB_HOST === undefined ? { BARTENDER_DB_URL: OWN_DATABASE } : {};
  const env = {
    PATH: process.env.PATH ?? "",
    // Not the home, nor the SSH client file, of whoever runs the tests. Deno has its cache there.
    ...(options.runtime === "deno" ? {} : privateHome(directory)),
    BARTENDER_PORT: "0",
    BARTENDER_CONSOLE_SOCKET: "console.sock",
    ...database,
    ...options.env,
  };
  const stdio = ["ignore", log, log] as const;
  const command = [
    process.execPath,
    "--no-env-file",
    builtProgram(options.main ?? MAIN),
    ...(options.args ?? ["serve"]),
  ];
  const [program = "", ...args] = [...(options.prefix ?? []), ...command];
  const child =
    options.runtime === "deno"
      ? spawnDenoTask(directory, env, [...stdio])
      : spawn(program, args, { cwd: directory, env, stdio: [...stdio] });
  closeSync(log);
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  return {
    child,
    output: () => readFileSync(logFile, "utf8"),
    ended: () => ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/**
 * The line of the task itself, since processes in between, as there are when Deno comes from npm, do not pass signals on.
 * Tasks run in the directory of `deno.json`, so all else has to be named by absolute paths.
 */
function spawnDenoTask(
  directory: string,
  env: Readonly<Record<string, string>>,
  stdio: ("ignore" | number)[],
): ChildProcess {
  const { tasks } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { tasks: { serve: string } };
  const [program, ...args] = tasks.serve.split(" ");
  if (program !== "deno") throw new Error(`Not a line for Deno: ${tasks.serve}`);
  // The package is a program of Node around the real one.
  const asked = spawnSync(join(ROOT, "node_modules/.bin/deno"), ["eval", "console.log(Deno.execPath())"], {
    encoding: "utf8",
  });
  return spawn(asked.stdout.trim(), args, {
    cwd: ROOT,
    env: {
      ...env,
      BARTENDER_CONFIG_FILENAME: join(directory, "config.yaml"),
      BARTENDER_PUBLIC_KEY: join(directory, "public_key.pem"),
      ...(env.BARTENDER_DB_URL === OWN_DATABASE
        ? { BARTENDER_DB_URL: `sqlite:${join(directory, "bartender.db")}` }
        : {}),
      BARTENDER_CONSOLE_SOCKET: join(directory, "console.sock"),
    },
    stdio,
  });
}
