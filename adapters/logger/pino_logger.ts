import { type DestinationStream, type Logger as PinoInstance, pino, stdSerializers, stdTimeFunctions } from "pino";
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import { isWanted, type LogLevel } from "./log_levels.ts";

/** What pino calls our levels. */
const PINO_NAMES = {
  critical: "fatal",
  error: "error",
  warning: "warn",
  info: "info",
  debug: "debug",
  trace: "trace",
} as const satisfies Record<LogLevel, string>;

const OUR_NAMES = new Map<string, string>(Object.entries(PINO_NAMES).map(([ours, pinos]) => [pinos, ours]));

/** A logger whose level can be changed while it is in use, also for all its children. */
export interface LeveledLogger extends Logger {
  level(): LogLevel;
  setLevel(level: LogLevel): void;
}

/** Writes one JSON object per line to `stream` (default: standard output). */
export function pinoLogger(level: LogLevel, stream?: DestinationStream): LeveledLogger {
  const options = {
    // What is wanted is decided here, as children of pino keep the level that they were made with.
    level: PINO_NAMES.trace,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (name: string) => ({ level: OUR_NAMES.get(name) ?? name }) },
    serializers: { error: errorFields },
  };
  const limit = { level };
  return {
    ...wrap(stream === undefined ? pino(options) : pino(options, stream), limit),
    level: () => limit.level,
    setLevel: (wanted) => {
      limit.level = wanted;
    },
  };
}

function wrap(log: PinoInstance, limit: { readonly level: LogLevel }): Logger {
  const at =
    (level: "debug" | "info" | "warning" | "error") =>
    (message: string, fields: LogFields = {}): void => {
      if (isWanted(level, limit.level)) log[PINO_NAMES[level]](fields, message);
    };
  return {
    isDebugging: () => isWanted("debug", limit.level),
    debug: at("debug"),
    info: at("info"),
    warn: at("warning"),
    error: at("error"),
    child: (fields) => wrap(log.child(fields), limit),
  };
}

/** Errors do not survive JSON by themselves; a text thrown in the place of an error does. */
function errorFields(error: unknown): unknown {
  return error instanceof Error ? stdSerializers.err(error) : error;
}
