import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../ports/clock.ts";

/** How long the daemon may take to answer, and a job to end. */
export const PATIENCE_MS = 30_000;

export interface DemoDaemonOptions {
  readonly selfCommand: readonly [string, ...string[]];
  /** Private directory for configuration, database, keys, jobs and log; absolute. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Start the daemon in a session of its own, so that it outlives this process. */
  readonly keep: boolean;
}

/** The demo's daemon: a process of its own, as in real use. */
export class DemoDaemon {
  readonly #options: DemoDaemonOptions;
  readonly #logFile: string;
  #child: ChildProcess | undefined;
  #url = "";
  #token = "";
  #isLeftRunning = false;

  constructor(options: DemoDaemonOptions) {
    this.#options = options;
    this.#logFile = join(options.directory, "bartender.log");
  }

  get url(): string {
    return this.#url;
  }

  get token(): string {
    return this.#token;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isLeftRunning(): boolean {
    return this.#isLeftRunning;
  }

  /** Runs another command of the program to its end. @returns what it printed */
  async command(...args: readonly string[]): Promise<string> {
    const child = this.#spawn(args, ["ignore", "pipe", "pipe"]);
    const [out, faults]: [string[], string[]] = [[], []];
    child.stdout?.on("data", (chunk) => out.push(String(chunk)));
    child.stderr?.on("data", (chunk) => faults.push(String(chunk)));
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (status !== 0) throw new Error(`bartender ${args[0]} ended with status ${status}\n${faults.join("")}`);
    return out.join("");
  }

  /** Resolves when the daemon says in its log where it listens. */
  async start(): Promise<void> {
    const { clock } = this.#options;
    const log = openSync(this.#logFile, "a", 0o600);
    const child = this.#spawn(["serve"], ["ignore", log, log]);
    closeSync(log);
    this.#child = child;
    let fault: Error | undefined;
    child.once("error", (error) => {
      fault = error;
    });
    for (const endMs = clock.monotonicMs() + PATIENCE_MS; clock.monotonicMs() < endMs; await pause(clock, 50)) {
      if (fault !== undefined) throw fault;
      if (child.exitCode !== null) throw new Error(`The daemon ended with status ${child.exitCode}`);
      const url = /listens on (\S+)/.exec(this.log())?.[1];
      if (url === undefined) continue;
      this.#url = url;
      return;
    }
    throw new Error("The daemon did not start in time");
  }

  async signToken(): Promise<void> {
    this.#token = (await this.command("generate-token", "--username", "me")).trim();
  }

  /** One request with the token; redirects are answered, not followed. */
  call(method: string, path: string, body?: FormData): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}` };
    return fetch(this.#url + path, { method, headers, redirect: "manual", ...(body === undefined ? {} : { body }) });
  }

  leaveRunning(): void {
    this.#isLeftRunning = true;
    this.#child?.unref();
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  log(): string {
    return readFileSync(this.#logFile, { encoding: "utf8", flag: "a+" });
  }

  /** Nothing of the caller's own settings may reach the demo. */
  #env(): Record<string, string> {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.#options.env)) {
      if (value !== undefined && !/^bartender_/i.test(name)) env[name] = value;
    }
    return {
      ...env,
      BARTENDER_HOST: "127.0.0.1",
      BARTENDER_PORT: "0",
      BARTENDER_DB_URL: "sqlite:bartender.db",
      BARTENDER_CONSOLE_SOCKET: "console.sock",
      BARTENDER_PUBLIC_KEY: "public_key.pem",
      BARTENDER_CONFIG_FILENAME: "config.yaml",
    };
  }

  #spawn(args: readonly string[], stdio: ["ignore", "pipe" | number, "pipe" | number]): ChildProcess {
    const { selfCommand, directory, keep } = this.#options;
    const [program, ...first] = selfCommand;
    return spawn(program, [...first, ...args], { cwd: directory, env: this.#env(), stdio, detached: keep });
  }
}

/** Waits on `clock`. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
