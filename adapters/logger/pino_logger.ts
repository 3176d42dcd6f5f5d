import { type DestinationStream, type Logger as PinoInstance, pino, stdSerializers } from "pino";
import type { Logger } from "../../src/ports/logger.ts";

/** Levels of `BARTENDER_LOG_LEVEL`, most severe first. */
export const LOG_LEVELS = ["critical", "error", "warning", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const PINO_LEVELS = {
  critical: "fatal",
  error: "error",
  warning: "warn",
  info: "info",
  debug: "debug",
  trace: "trace",
} as const satisfies Record<LogLevel, string>;

/** Writes one JSON object per line to `stream` (default: standard output). */
export function pinoLogger(level: LogLevel, stream?: DestinationStream): Logger {
  const options = { level: PINO_LEVELS[level], base: null, serializers: { error: errorFields } };
  return wrap(stream === undefined ? pino(options) : pino(options, stream));
}

function wrap(log: PinoInstance): Logger {
  return {
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
    child: (fields) => wrap(log.child(fields)),
  };
}

/** Errors do not survive JSON by themselves; a text thrown in the place of an error does. */
function errorFields(error: unknown): unknown {
  return error instanceof Error ? stdSerializers.err(error) : error;
}
