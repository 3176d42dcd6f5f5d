import { join } from "node:path";
import { tellFault } from "../../src/cli/console.ts";
import { consoleClient } from "../../src/console/client.ts";
import { consoleCommand } from "../../src/console/commands.ts";
import type { ConsoleContext } from "../../src/console/context.ts";
import { paint } from "../../src/console/paint.ts";
import type { DaemonProcess } from "./daemon_process.ts";
import { spawnDaemon } from "./daemon_process.ts";

/** What one command of the console did. */
export interface ConsoleRun {
  readonly status: number | null;
  /** Standard output and standard error, as they came. */
  readonly text: string;
}

let runs = 0;

/** Runs `bartender console …` against a daemon to its end, in a process of its own. */
export async function runConsoleProcess(daemon: DaemonProcess, ...args: readonly string[]): Promise<ConsoleRun> {
  await using command = spawnDaemon(daemon.directory, {
    args: ["console", ...args],
    logName: `console-${++runs}.out`,
    env: { USER: "tester", BARTENDER_CONSOLE_SOCKET: "console.sock" },
  });
  const status = await command.ended();
  return { status, text: command.output() };
}

/** The same command against the same socket, but in this process: many of them take no time to start. */
export function runConsole(daemon: DaemonProcess, ...args: readonly string[]): Promise<ConsoleRun> {
  return runConsoleWith(daemon, undefined, ...args);
}

/** The same with somebody who can be asked. */
export async function runConsoleWith(
  daemon: DaemonProcess,
  confirm: ConsoleContext["confirm"],
  ...args: readonly string[]
): Promise<ConsoleRun> {
  let [status, text] = [0, ""];
  const write = (piece: string): void => {
    text += piece;
  };
  const context: ConsoleContext = {
    connect: () => consoleClient(socketOf(daemon), "tester"),
    out: write,
    err: write,
    paint: paint(false),
    isTerminal: false,
    columns: () => Number.POSITIVE_INFINITY,
    nowMs: () => Date.now(),
    sleep: () => Promise.resolve(),
    confirm,
    screen: undefined,
    stopping: () => new AbortController().signal,
    fail: (code) => {
      status = code;
    },
  };
  try {
    await consoleCommand(context, async () => undefined).parseAsync([...args], { from: "user" });
  } catch (error) {
    status = tellFault(error, { stderr: write });
  }
  return { status, text };
}

/** The socket of a daemon's console. */
export function socketOf(daemon: DaemonProcess): string {
  return join(daemon.directory, "console.sock");
}
