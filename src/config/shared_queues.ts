import type { DestinationConfig } from "./config.ts";
import type { Report } from "./report.ts";

/**
 * Warns of destinations that share a queue and treat jobs in different ways: a performer takes the jobs of all of them, and
 * runs each by its own settings.
 */
export function checkSharedQueues(destinations: ReadonlyMap<string, DestinationConfig>, report: Report): void {
  const first = new Map<string, readonly [string, Treatment]>();
  for (const [name, { scheduler, fileSystem, rules }] of destinations) {
    if (scheduler.type !== "arq") continue;
    const { redisDsn, queue, jobTimeoutS, sandbox } = scheduler;
    const treatment = new Map<string, unknown>([
      ["job_timeout", jobTimeoutS],
      ["sandbox", sandbox],
      ["filesystem", fileSystem],
      ["on_interrupt", rules.maxReruns],
    ]);
    const place = JSON.stringify([redisDsn, queue]);
    const [other, before] = first.get(place) ?? [name, treatment];
    first.set(place, [other, before]);
    const keys = [...treatment.keys()].filter((key) => !isSame(treatment.get(key), before.get(key)));
    if (keys.length === 0) continue;
    report.warn(
      ["destinations", name, "scheduler", "queue"],
      `is shared with destination ${JSON.stringify(other)}, whose performers run its jobs by their own ${keys.join(", ")}`,
    );
  }
}

/** What a performer does with a job by the settings of its own destination, as the file names them. */
type Treatment = ReadonlyMap<string, unknown>;

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
