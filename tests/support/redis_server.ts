import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { eventually } from "./eventually.ts";
import { lastingPort } from "./lasting_port.ts";
import { tempDir } from "./temp_dir.ts";

/** A Redis server of this test file alone, with its own directory and port. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  /** `redis://127.0.0.1:…`. */
  readonly dsn: string;
  /** Runs a command as `redis-cli` does. @returns what it prints */
  cli(...words: readonly string[]): string;
  /** `SIGKILL` is a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** On the data that the one before has left. */
  start(): Promise<void>;
  /** Stops the processor time of the server, or lets it go on. */
  freeze(): void;
  thaw(): void;
}

export interface RedisServerOptions {
  /** Options for the command line, beside those for port and directory. */
  readonly options?: readonly string[];
  /** For `redis-cli`. */
  readonly cliOptions?: readonly string[];
  /** Default: every write is in a file before it is answered. */
  readonly isPersistent?: boolean;
  /** Default: this machine alone. */
  readonly bind?: string;
}

export async function startRedis(given: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = tempDir();
  const port = await lastingPort();
  const bind = given.bind ?? "127.0.0.1";
  let server: ChildProcess | undefined;
  const cli = (...words: readonly string[]): string =>
    execFileSync("redis-cli", ["-h", bind, "-p", String(port), ...(given.cliOptions ?? []), ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 20_000,
    }).trim();
  const start = async (): Promise<void> => {
    const persistence = ["--save", "", "--appendonly", given.isPersistent === false ? "no" : "yes"];
    const options = ["--port", String(port), "--bind", bind, "--dir", dir.path, ...persistence];
    const started = spawn("redis-server", [...options, ...(given.options ?? [])], { stdio: "ignore" });
    server = started;
    await eventually("the Redis server", () => {
      if (started.exitCode !== null) throw new Error(`redis-server ended with status ${started.exitCode}`);
      try {
        return cli("ping") === "PONG";
      } catch {
        return false;
      }
    });
  };
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
    const running = server;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => running.once("exit", () => resolve()));
    running.kill(signal);
    await ended;
  };
  await start();
  return {
    port,
    directory: dir.path,
    dsn: `redis://${bind}:${port}`,
    ...{ cli, start, stop },
    freeze: () => void server?.kill("SIGSTOP"),
    thaw: () => void server?.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      server?.kill("SIGCONT");
      await stop("SIGKILL");
      dir[Symbol.dispose]();
    },
  };
}
