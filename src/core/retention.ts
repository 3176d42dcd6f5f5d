/** How long finished jobs are kept. */
export interface RetentionRules {
  /** For applications without a time of their own, those that are no longer configured among them; null: for ever. */
  readonly defaultMs: number | null;
  /** By name of the application. */
  readonly applicationMs: ReadonlyMap<string, number>;
}

/** Jobs of `application` that finished before this are to be deleted; null when none are. Milliseconds since 1970. */
export function expiryMs(rules: RetentionRules, application: string, nowMs: number): number | null {
  const keepMs = rules.applicationMs.get(application) ?? rules.defaultMs;
  return keepMs === null ? null : nowMs - keepMs;
}
