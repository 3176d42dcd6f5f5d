import { isDeepStrictEqual } from "node:util";
import type { Config } from "./config.ts";

/** How one configuration differs from another, as far as a running daemon has to act on it. */
export interface ConfigChanges {
  /** What cannot be changed while the daemon runs, each a line for people. */
  readonly refusals: readonly string[];
  /** What is different, each a line for people. Texts and commands of applications are not compared. */
  readonly lines: readonly string[];
  readonly destinations: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    /** Those that only treat their jobs differently. */
    readonly ruled: readonly string[];
    /** Those that have to be built anew. */
    readonly changed: readonly string[];
  };
}

/** Compares the configuration that is in force with the one that is to be. Pure. */
export function configChanges(from: Config, to: Config): ConfigChanges {
  const refusals = [
    ...unchangeable("job_root_dir", from.jobRootDir, to.jobRootDir),
    ...unchangeable("command_environment", from.commandEnvironment, to.commandEnvironment),
  ];
  const { added, removed } = namesOf(from.destinations, to.destinations);
  const ruled: string[] = [];
  const changed: string[] = [];
  for (const [name, { rules, ...rest }] of to.destinations) {
    const before = from.destinations.get(name);
    if (before === undefined) continue;
    const { rules: rulesBefore, ...restBefore } = before;
    if (!isDeepStrictEqual(rest, restBefore)) changed.push(name);
    else if (!isDeepStrictEqual(rules, rulesBefore)) ruled.push(name);
  }
  const applications = namesOf(from.applications, to.applications);
  const interactive = namesOf(from.interactiveApplications, to.interactiveApplications);
  const lines = [
    ...list("applications: added", applications.added),
    ...list("applications: removed", applications.removed),
    ...list("interactive_applications: added", interactive.added),
    ...list("interactive_applications: removed", interactive.removed),
    ...list("destinations: added", added),
    ...list("destinations: changed", [...ruled, ...changed]),
    ...list("destinations: removed, their jobs go on:", removed),
    ...different("destination_picker", from.destinationPicker, to.destinationPicker),
    ...different("limits", from.limits, to.limits),
    ...different("tokens", from.tokens, to.tokens),
    ...different("keep_for", from.retention, to.retention),
  ];
  return { refusals, lines, destinations: { added, removed, ruled, changed } };
}

function unchangeable(key: string, from: unknown, to: unknown): readonly string[] {
  if (isDeepStrictEqual(from, to)) return [];
  return [`${key}: cannot change while the daemon runs, from ${JSON.stringify(from)} to ${JSON.stringify(to)}`];
}

function different(key: string, from: unknown, to: unknown): readonly string[] {
  return isDeepStrictEqual(from, to) ? [] : [`${key}: changed`];
}

function list(what: string, names: readonly string[]): readonly string[] {
  return names.length === 0 ? [] : [`${what} ${names.join(", ")}`];
}

function namesOf(from: ReadonlyMap<string, unknown>, to: ReadonlyMap<string, unknown>) {
  return {
    added: [...to.keys()].filter((name) => !from.has(name)),
    removed: [...from.keys()].filter((name) => !to.has(name)),
  };
}
