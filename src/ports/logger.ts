/** Facts beside a log line. Values must not hold secrets. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Changes what a log takes while it is in use. */
export interface LogLevelControl {
  get(): string;
  /** Most severe first. */
  readonly levels: readonly string[];
  /** @param level one of `levels` */
  set(level: string): void;
}

/** Structured log; one line per event. */
export interface Logger {
  /** False when nobody would see a line of level debug, so that its fields need not be made. */
  isDebugging(): boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** @returns a logger that adds `fields` to each of its lines. */
  child(fields: LogFields): Logger;
}
