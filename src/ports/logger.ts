/** Facts beside a log line. Values must not hold secrets. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log; one line per event. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** @returns a logger that adds `fields` to each of its lines. */
  child(fields: LogFields): Logger;
}
