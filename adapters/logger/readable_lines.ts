import type { DestinationStream } from "pino";
import { LOG_LEVELS, type LogLevel } from "./log_levels.ts";

const COLOURS: Record<LogLevel, string> = {
  critical: "\x1b[1;31m",
  error: "\x1b[31m",
  warning: "\x1b[33m",
  info: "\x1b[32m",
  debug: "\x1b[2m",
  trace: "\x1b[2m",
};
const PLAIN = "\x1b[0m";
const WIDTH = Math.max(...LOG_LEVELS.map((level) => level.length));

/** What a terminal would take for a command stands in a message only as text. */
const CONTROLS = /\p{Cc}/gu;

/** Values that need no quotes to be told from their neighbours. */
const BARE = /^[^\s"=]+$/;

/** Writes log lines for people: time, level, message, then `name=value`; the stack of an error on lines of its own. */
export function readableLines(write: (text: string) => void, isColoured: boolean): DestinationStream {
  return { write: (line) => write(readable(line, isColoured)) };
}

/** One line of JSON as {@link readableLines} writes it. What is no log line stays as it is. */
export function readable(line: string, isColoured: boolean): string {
  const fields = parsed(line);
  if (fields === undefined) return line;
  const { time, level, msg, error, ...rest } = fields;
  const label = `${level}`.padEnd(WIDTH);
  const colour = isColoured ? COLOURS[level as LogLevel] : undefined;
  const { stack, text } = described(error);
  const shown = { ...rest, ...(text === undefined ? {} : { error: text }) };
  const pairs = Object.entries(shown).map(([name, value]) => ` ${name}=${quoted(value)}`);
  const head = `${clock(time)} ${colour === undefined ? label : colour + label + PLAIN} ${harmless(`${msg}`)}`;
  return `${head}${pairs.join("")}\n${stack}`;
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Hours to milliseconds, UTC. */
function clock(time: unknown): string {
  return typeof time === "string" ? time.slice(11, 23) : "";
}

function described(error: unknown): { readonly text: unknown; readonly stack: string } {
  if (typeof error !== "object" || error === null || !("stack" in error)) return { text: error, stack: "" };
  const lines = String(error.stack).split("\n");
  return { text: undefined, stack: lines.map((line) => `    ${harmless(line)}\n`).join("") };
}

function quoted(value: unknown): string {
  if (typeof value === "string") return BARE.test(value) ? harmless(value) : JSON.stringify(value);
  return harmless(JSON.stringify(value) ?? "");
}

function harmless(text: string): string {
  return text.replace(CONTROLS, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
