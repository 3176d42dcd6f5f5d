import type { LogFields, Logger } from "../../src/ports/logger.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps its lines for assertions. */
export interface RecordingLogger extends Logger {
  readonly lines: readonly LogLine[];
}

export function recordingLogger(): RecordingLogger {
  const lines: LogLine[] = [];
  const make = (bound: LogFields): RecordingLogger => {
    const write =
      (level: LogLine["level"]) =>
      (message: string, fields: LogFields = {}) => {
        lines.push({ level, message, fields: { ...bound, ...fields } });
      };
    return {
      lines,
      isDebugging: () => true,
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      child: (fields) => make({ ...bound, ...fields }),
    };
  };
  return make({});
}
