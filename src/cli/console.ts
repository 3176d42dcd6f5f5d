import { userInfo } from "node:os";
import process from "node:process";
import { type Command, CommanderError } from "commander";
import { clientSocket } from "../config/console_socket.ts";
import type { Environment } from "../config/environment.ts";
import { ConsoleRefusal, ConsoleUnreachableError, consoleClient } from "../console/client.ts";
import { consoleCommand } from "../console/commands.ts";
import { CONSOLE_EXIT, type ConsoleContext } from "../console/context.ts";
import { interact } from "../console/interactive.ts";
import { paint } from "../console/paint.ts";
import { askOnTerminal, terminalScreen } from "../console/terminal.ts";
import { messageOf } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommandIo } from "./io.ts";

export interface ConsoleOptions {
  readonly io: CommandIo;
  readonly clock: Clock;
  /** Reads the environment, for where the socket is; undefined after it has told what is wrong. */
  environment(): Environment | undefined;
}

/** The command `console`; sets the exit status of the process. */
export function buildConsole({ io, clock, environment }: ConsoleOptions): Command {
  const isTerminal = process.stdout.isTTY === true;
  const canAsk = isTerminal && process.stdin.isTTY === true;
  const isColoured = isTerminal && (io.env.NO_COLOR ?? "") === "" && io.env.TERM !== "dumb";
  let status = 0;
  /** Afterwards Ctrl-C ends the console again. */
  let giveBack = (): void => undefined;
  const context: ConsoleContext = {
    connect(socket) {
      const settings = environment();
      if (settings === undefined) throw new CommanderError(CONSOLE_EXIT.fault, "bartender.environment", "");
      const found = socket === undefined ? clientSocket(settings, io.cwd) : { isValid: true as const, path: socket };
      if (!found.isValid) throw new ConsoleRefusal(422, found.reason);
      return consoleClient(found.path, claimedUser(io.env));
    },
    out: io.stdout,
    err: io.stderr,
    paint: paint(isColoured),
    isTerminal,
    // Whoever reads it by a program or from a file gets all of it.
    columns: () => process.stdout.columns ?? Number.POSITIVE_INFINITY,
    nowMs: () => clock.nowMs(),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const cancel = clock.after(ms, resolve);
        signal.addEventListener("abort", () => {
          cancel();
          resolve();
        });
      }),
    confirm: canAsk ? (question) => askOnTerminal(question) : undefined,
    screen: canAsk ? terminalScreen() : undefined,
    stopping() {
      const abort = new AbortController();
      const interrupt = (): void => abort.abort();
      process.once("SIGINT", interrupt);
      giveBack = () => void process.off("SIGINT", interrupt);
      return abort.signal;
    },
    fail(code) {
      status = code;
    },
  };
  /** Runs one command to its end. @returns the exit status */
  const run = async (argv: readonly string[]): Promise<number> => {
    status = 0;
    try {
      await tree().parseAsync([...argv], { from: "user" });
      return status;
    } catch (error) {
      return tellFault(error, io);
    } finally {
      giveBack();
    }
  };
  const tree = (): Command => consoleCommand(context, (socket) => interact({ context, io, socket, run, tree: tree() }));
  const command = tree();
  command.hook("postAction", () => {
    process.exitCode = status;
  });
  return command;
}

/** Who is at the terminal, also behind sudo(8). Some runtimes know a name only from the environment. */
function claimedUser(env: CommandIo["env"]): string {
  const { username, uid } = userInfo();
  const name = env.USER ?? env.LOGNAME ?? (username === "unknown" ? `uid ${uid}` : username);
  return env.SUDO_USER === undefined ? name : `${env.SUDO_USER} as ${name}`;
}

/** True for what a daemon answered to the console, or that none answered. */
export function isConsoleFault(error: unknown): boolean {
  return error instanceof ConsoleRefusal || error instanceof ConsoleUnreachableError;
}

/** @returns the exit status */
export function tellFault(error: unknown, io: Pick<CommandIo, "stderr">): number {
  // Commander has told it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : CONSOLE_EXIT.usage;
  io.stderr(`${messageOf(error)}\n`);
  if (error instanceof ConsoleUnreachableError) return CONSOLE_EXIT.unreachable;
  if (!(error instanceof ConsoleRefusal)) return CONSOLE_EXIT.fault;
  return STATUS[error.status] ?? CONSOLE_EXIT.fault;
}

const STATUS: Readonly<Record<number, number>> = {
  404: CONSOLE_EXIT.notFound,
  409: CONSOLE_EXIT.refused,
  422: CONSOLE_EXIT.usage,
  501: CONSOLE_EXIT.refused,
};
