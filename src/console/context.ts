import type { ConsoleClient } from "./client.ts";
import type { Paint } from "./paint.ts";

/** Exit statuses of the console, beside 0 for done. */
export const CONSOLE_EXIT = { fault: 1, usage: 2, notFound: 3, refused: 4, unreachable: 5 } as const;

/** All of them for people. */
export const CONSOLE_EXIT_TEXT =
  "0 done, 1 a fault that the message explains, 2 wrong command line, 3 no such job or destination,\n" +
  "4 refused in the present state or not confirmed, 5 no daemon answers";

/** A terminal that can be drawn on, and whose keys are read one by one. */
export interface Screen {
  size(): { readonly rows: number; readonly columns: number };
  /** @returns a function that gives the keys back */
  onKey(listener: (key: string) => void): () => void;
}

/** The outside world of the console's commands. */
export interface ConsoleContext {
  /** @param socket as given on the command line */
  connect(socket: string | undefined): ConsoleClient;
  out(text: string): void;
  /** Faults and questions. */
  err(text: string): void;
  readonly paint: Paint;
  /** Whether the output is looked at on a terminal, which obeys what is in it. */
  readonly isTerminal: boolean;
  /** Of the terminal; without one, infinite. */
  columns(): number;
  nowMs(): number;
  /** Resolves after a while, at once when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Asks for a yes; undefined where nobody can be asked. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
  /** Undefined where the output is no terminal. */
  readonly screen: Screen | undefined;
  /** Aborted when what runs shall end, by Ctrl-C. A new one for each command. */
  stopping(): AbortSignal;
  /** The exit status, when it is not 0. */
  fail(status: number): void;
}
