import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import type { Command } from "commander";
import { messageOf } from "../core/errors.ts";
import type { DaemonStatus } from "../ports/admin_service.ts";
import { type Candidates, complete } from "./complete_line.ts";
import type { ConsoleContext } from "./context.ts";
import { namesOf } from "./names.ts";
import { splitLine } from "./split_line.ts";

export interface InteractiveOptions {
  readonly context: ConsoleContext;
  readonly io: { readonly env: Readonly<Record<string, string | undefined>> };
  readonly socket: string | undefined;
  /** For completion. */
  readonly tree: Command;
  /** Runs one command, and tells what is wrong with it. */
  run(argv: readonly string[]): Promise<number>;
}

const KEPT_LINES = 1_000;

/**
 * Asks for commands and runs them one after the other, until `exit` or the end of the input. Without a terminal the exit
 * status is that of the first command that failed.
 */
export async function interact({ context, io, socket, tree, run }: InteractiveOptions): Promise<void> {
  const client = context.connect(socket);
  const status = await client.get<DaemonStatus>("/status");
  context.out(`Bartender ${status.version} at ${client.socket}; \`help\` lists the commands, \`exit\` leaves.\n`);
  const history = historyFile(io.env);
  const past = readHistory(history);
  const candidates = async (): Promise<Candidates> => {
    const [destinations, jobs] = await Promise.all([namesOf(client, "destinations"), namesOf(client, "jobs")]);
    return { destinations, jobs };
  };
  let failed = 0;
  let isOver = false;
  for await (const line of linesOf({ tree, candidates, past, context })) {
    if (line.trim() === "") continue;
    past.unshift(line);
    appendHistory(history, line, context);
    const words = splitLine(line);
    if (words === undefined) {
      context.err("A quote is not closed\n");
      continue;
    }
    isOver = words[0] === "exit" || words[0] === "quit";
    if (isOver) break;
    // Each command has the terminal to itself: it may ask, or draw on the whole screen.
    const status = await run(socket === undefined ? words : ["--socket", socket, ...words]);
    if (failed === 0) failed = status;
  }
  if (process.stdin.isTTY !== true) context.fail(failed);
  else if (!isOver) context.out("\n");
}

interface LineOptions {
  readonly tree: Command;
  /** Newest first. */
  readonly past: readonly string[];
  readonly context: ConsoleContext;
  candidates(): Promise<Candidates>;
}

const PROMPT = "bartender> ";

/** Lines as they are typed, pasted, or come from a pipe. */
async function* linesOf(options: LineOptions): AsyncGenerator<string> {
  if (process.stdin.isTTY !== true) {
    yield* createInterface({ input: process.stdin });
    return;
  }
  let begun = "";
  for (;;) {
    const typed = await readLines(options, begun);
    if (typed === undefined) return;
    const [first = "", ...more] = typed.lines;
    begun = typed.begun;
    yield first;
    for (const line of more) {
      options.context.out(`${PROMPT}${line}\n`);
      yield line;
    }
  }
}

/**
 * Waits for a line. Of text that was pasted, there may be more of them, and the beginning of another one.
 *
 * @returns undefined at the end of the input
 */
function readLines(
  { tree, past, candidates }: LineOptions,
  begun: string,
): Promise<{ readonly lines: readonly string[]; readonly begun: string } | undefined> {
  return new Promise((resolve) => {
    const completer = (line: string, answer: (error: Error | null, result: [string[], string]) => void): void => {
      void candidates()
        .catch((): Candidates => ({ destinations: [], jobs: [] }))
        .then((found) => answer(null, complete(tree, line, found)));
    };
    const terminal: Interface = createInterface({
      input: process.stdin,
      output: process.stdout,
      prompt: PROMPT,
      history: past.slice(0, KEPT_LINES),
      historySize: KEPT_LINES,
      completer,
    });
    const lines: string[] = [];
    let rest = "";
    terminal.on("line", (text) => {
      lines.push(text);
      // What was pasted with it comes before the next turn of the event loop.
      if (lines.length === 1) {
        setImmediate(() => {
          rest = terminal.line;
          terminal.close();
        });
      }
    });
    // Ctrl-C drops the line, as in a shell.
    terminal.on("SIGINT", () => {
      lines.push("");
      process.stdout.write("\n");
      terminal.close();
    });
    terminal.once("close", () => resolve(lines.length === 0 ? undefined : { lines, begun: rest }));
    terminal.prompt();
    if (begun !== "") terminal.write(begun);
  });
}

/** Where histories belong (XDG Base Directory Specification); undefined without a home. */
function historyFile(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const state = env.XDG_STATE_HOME ?? (env.HOME === undefined ? undefined : join(env.HOME, ".local", "state"));
  return state === undefined ? undefined : join(state, "bartender", "console_history");
}

/** Newest first. */
function readHistory(file: string | undefined): string[] {
  if (file === undefined) return [];
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .slice(-KEPT_LINES)
      .reverse();
  } catch {
    // There is none yet, or it is somebody else's: history is a comfort, not a need.
    return [];
  }
}

let hasComplained = false;

function appendHistory(file: string | undefined, line: string, { err }: ConsoleContext): void {
  if (file === undefined) return;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    appendFileSync(file, `${line}\n`, { mode: 0o600 });
  } catch (error) {
    if (!hasComplained) err(`The history cannot be kept: ${messageOf(error)}\n`);
    hasComplained = true;
  }
}
