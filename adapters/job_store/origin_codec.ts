import { jobId } from "../../src/core/ids.ts";
import { type JobOrigin, UNKNOWN_ORIGIN } from "../../src/core/job_origin.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";

/** As the column `origin` has it: null when nothing is known. */
export function encodeOrigin(origin: JobOrigin): string | null {
  const { trace, input, retryOf } = origin;
  if (Object.keys(trace).length === 0 && input === null && retryOf === null) return null;
  return JSON.stringify({ trace, input, retryOf });
}

/** What a part of the column does not tell, because an earlier version wrote it or it is damaged, counts as unknown. */
export function decodeOrigin(text: string | null): JobOrigin {
  if (text === null) return UNKNOWN_ORIGIN;
  const value = JSON.parse(text) as JsonValue;
  if (!isJsonObject(value)) return UNKNOWN_ORIGIN;
  const { trace, input, retryOf } = value;
  return {
    trace: isJsonObject(trace) ? texts(trace) : {},
    input: isJsonObject(input) ? inputOf(input) : null,
    retryOf: typeof retryOf === "number" ? jobId(retryOf) : null,
  };
}

function texts(fields: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  );
}

function inputOf({ digest, sealedOnMs }: JsonObject): JobOrigin["input"] {
  return typeof digest === "string" && typeof sealedOnMs === "number" ? { digest, sealedOnMs } : null;
}
