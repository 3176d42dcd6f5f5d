import { parseDuration } from "../config/duration.ts";
import { PUBLIC_STATES, type PublicState } from "../core/job.ts";
import { Refusal } from "../http/refusal.ts";
import { type AdminJobQuery, JOB_SORTS } from "../ports/admin_service.ts";
import type { AdminJobFilter } from "../ports/admin_store.ts";

/** Names of the filters, as parameters of a query and as options of commands. */
export const FILTERS = ["state", "destination", "application", "submitter", "reason", "older", "younger"] as const;

/** What each filter that is set is compared with, as text. */
export type FilterText = Readonly<Partial<Record<(typeof FILTERS)[number], string>>>;

/** States of jobs that have not come to their end. */
const UNFINISHED_STATES: readonly PublicState[] = ["new", "queued", "running", "staging_out"];

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 10_000;

/** @throws {Refusal} 422 that names the parameter */
export function readFilter(text: FilterText): AdminJobFilter {
  return {
    states: (text.state ?? "")
      .split(",")
      .filter((word) => word !== "")
      .flatMap(readState),
    destination: text.destination ?? "",
    application: text.application ?? "",
    submitter: text.submitter ?? "",
    reason: text.reason ?? "",
    olderThanMs: readAge("older", text.older),
    youngerThanMs: readAge("younger", text.younger),
  };
}

/** @throws {Refusal} 422 that names the parameter */
export function readQuery(text: Readonly<Record<string, string>>): AdminJobQuery {
  for (const name of Object.keys(text)) {
    if (![...FILTERS, "sort", "limit"].includes(name)) throw new Refusal(422, `${name}: unknown parameter`);
  }
  const { sort: order = "newest", limit = String(DEFAULT_LIMIT) } = text;
  const sort = JOB_SORTS.find((known) => known === order);
  if (sort === undefined) throw invalid("sort", `one of ${JOB_SORTS.join(", ")}`, order);
  return { filter: readFilter(text), sort, limit: readNumber("limit", limit, 1, MAX_LIMIT) };
}

/** @throws {Refusal} 422 that names the parameter */
export function readNumber(name: string, text: string, min: number, max: number): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw invalid(name, `a whole number from ${min} to ${max}`, text);
}

function readState(word: string): readonly PublicState[] {
  if (word === "unfinished") return UNFINISHED_STATES;
  const state = PUBLIC_STATES.find((known) => known === word);
  if (state === undefined) throw invalid("state", `unfinished, or one of ${PUBLIC_STATES.join(", ")}`, word);
  return [state];
}

/** `90s`, `15m`, `2h`, `3d`, `1w`, or what the configuration takes. */
function readAge(name: string, text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const [, count, unit = ""] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  if (count !== undefined) return Number(count) * (UNIT_MS[unit] ?? 0);
  const duration = parseDuration(text);
  if (duration.isValid) return duration.seconds * 1_000;
  throw invalid(name, "an age such as 90s, 15m, 2h, 3d or PT12H", text);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

function invalid(name: string, expected: string, got: string): Refusal {
  return new Refusal(422, `${name}: expected ${expected}, got ${JSON.stringify(got)}`);
}
