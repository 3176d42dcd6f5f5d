/** What a job asks a batch system for; what is absent is left to the destination. */
export interface JobResources {
  /** At least 1. */
  readonly cpus?: number;
  /** Of all its processes together, in MiB; at least 1. */
  readonly memoryMb?: number;
  readonly gpus?: number;
  /** In seconds, at least 1. */
  readonly timeS?: number;
}

const RESOURCES = ["cpus", "memoryMb", "gpus", "timeS"] as const satisfies readonly (keyof JobResources)[];

/**
 * What a job gets that wishes for `wish`. Pure.
 *
 * @param usual for what it does not wish for
 * @param limits the most that it gets; what is not limited is limited to what is usual, if there is such
 */
export function grantedResources(wish: JobResources, usual: JobResources, limits: JobResources): JobResources {
  const granted: Partial<Record<keyof JobResources, number>> = {};
  for (const name of RESOURCES) {
    const wanted = wish[name] ?? usual[name];
    const limit = limits[name] ?? usual[name];
    if (wanted !== undefined) granted[name] = limit === undefined ? wanted : Math.min(wanted, limit);
  }
  return granted;
}

const UNITS: Readonly<Record<string, number>> = { K: 1 / 1024, M: 1, G: 1024, T: 1024 * 1024 };

/**
 * Reads an amount of memory as sbatch(1) takes it: `4000` and `4000M` are MiB, also `K`, `G` and `T`.
 *
 * @returns MiB, rounded up; undefined when the text is no such amount, or nothing
 */
export function parseMemoryMb(text: string): number | undefined {
  const [, digits, unit = "M"] = /^(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const factor = UNITS[unit === "" ? "M" : unit.toUpperCase()] ?? 1;
  const memoryMb = Math.ceil(Number(digits) * factor);
  return memoryMb > 0 ? memoryMb : undefined;
}
