import type { RetentionRules } from "../core/retention.ts";
import { parseKeepingTime } from "./duration.ts";
import type { Report } from "./report.ts";
import type { ApplicationEntry } from "./schema.ts";

type KeepFor = ApplicationEntry["keep_for"];

/** What the keys `keep_for`, checked before, say. Warns about a bare number, which hardly anybody means as seconds. */
export function retentionRules(
  keepFor: KeepFor,
  applications: ReadonlyMap<string, { readonly keep_for?: KeepFor } | undefined>,
  report: Report,
): RetentionRules {
  const applicationMs = new Map<string, number>();
  for (const [name, entry] of applications) {
    const keepMs = milliseconds(entry?.keep_for, ["applications", name, "keep_for"], report);
    if (keepMs !== null) {
      applicationMs.set(name, keepMs);
    }
  }
  return { defaultMs: milliseconds(keepFor, ["keep_for"], report), applicationMs };
}

function milliseconds(keepFor: KeepFor, path: readonly string[], report: Report): number | null {
  if (keepFor === undefined) {
    return null;
  }
  const time = parseKeepingTime(keepFor);
  if (!time.isValid) {
    throw new TypeError(`Unchecked keeping time: ${time.reason}`);
  }
  if (time.seconds < DAY_S && /^\s*[\d.]+\s*$/.test(String(keepFor))) {
    report.warn(path, `${keepFor} means seconds; did you mean P${Math.trunc(Number(keepFor))}D, days?`);
  }
  return time.seconds * 1000;
}

const DAY_S = 86_400;
