import { expect, test } from "bun:test";
import { type JobId, jobId } from "../../src/core/ids.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { progressIn, T0 } from "../support/job_builder.ts";
import { inPhase, newJob, type OpenJobStore, PHASES } from "./job_store_samples.ts";

const ALL = { limit: 1000, offset: 0 };

/** What retention and the janitor ask of a {@link JobStore}. */
export function jobStoreRetention(open: OpenJobStore): void {
  test("finishedBefore() returns finished jobs of one application that ended earlier, longest finished first", async () => {
    await using world = await open();
    const { store } = world;
    const late = await finished(store, "wc", T0 + 2000);
    const early = await finished(store, "wc", T0 + 500);
    const same = await finished(store, "wc", T0 + 500);
    await finished(store, "other", T0 + 500);
    for (const phase of PHASES) if (phase !== "finished") await inPhase(store, phase);
    const before = async (beforeMs: number, page = ALL) =>
      (await store.finishedBefore({ application: "wc", beforeMs, ...page })).map(({ id }) => id);
    expect(await before(T0 + 500)).toEqual([]);
    expect(await before(T0 + 501)).toEqual([early, same]);
    expect(await before(T0 + 2000)).toEqual([early, same]);
    expect(await before(T0 + 2001)).toEqual([early, same, late]);
    expect(await before(T0 + 9000, { limit: 1, offset: 1 })).toEqual([same]);
    expect(await before(T0 + 9000, { limit: 5, offset: 3 })).toEqual([]);
    expect(await store.finishedBefore({ application: "wc", beforeMs: T0 + 501, limit: 1, offset: 0 })).toEqual([
      { id: early, submitter: "someone", finishedOnMs: T0 + 500 },
    ]);
  });

  test("finishedApplications() names each application that has a finished job once", async () => {
    await using world = await open();
    expect(await world.store.finishedApplications()).toEqual([]);
    for (const application of ["wc", "Ünïcode", "wc", "a b", "WC"]) await finished(world.store, application, T0);
    await world.store.insert(newJob({ application: "still new" }), T0);
    expect(new Set(await world.store.finishedApplications())).toEqual(new Set(["wc", "Ünïcode", "a b", "WC"]));
    expect(await world.store.finishedApplications()).toHaveLength(4);
  });

  test("ids() gives the number of every job, whatever its phase, in pages", async () => {
    await using world = await open();
    const ids: JobId[] = [];
    for (const phase of PHASES) ids.push((await inPhase(world.store, phase)).id);
    expect(await world.store.ids(jobId(0), 1000)).toEqual(ids);
    expect(await world.store.ids(ids[2] ?? jobId(0), 2)).toEqual(ids.slice(3, 5));
    expect(await world.store.ids(ids.at(-1) ?? jobId(0), 2)).toEqual([]);
  });
}

async function finished(store: JobStore, application: string, finishedOnMs: number): Promise<JobId> {
  const job = await store.insert(newJob({ application }), T0);
  await store.save({ ...job, progress: progressIn("finished"), finishedOnMs }, finishedOnMs);
  return job.id;
}
