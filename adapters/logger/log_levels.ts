/** Levels of `BARTENDER_LOG_LEVEL`, most severe first; also what the field `level` of a line says. */
export const LOG_LEVELS = ["critical", "error", "warning", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** True for lines of `level` while only lines up to `limit` are wanted. */
export function isWanted(level: LogLevel, limit: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(limit);
}
