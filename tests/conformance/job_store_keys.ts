import { expect, test } from "bun:test";
import type { JobKind } from "../../src/ports/job_store.ts";
import { progressIn, T0 } from "../support/job_builder.ts";
import { inPhase, newJob, type OpenJobStore, PHASES } from "./job_store_samples.ts";

const ONCE = { key: "8e03978e-40d5-43dd-bc93-6894a57f9324", digest: "d1" };

/** The part of the suite about submissions with a key, and about what a submitter has already. */
export function jobStoreKeys(open: OpenJobStore): void {
  keys(open);
  counts(open);
}

function keys(open: OpenJobStore): void {
  test("insertOnce() adds the job like insert(), and keyed() finds it by its key", async () => {
    await using world = await open();
    const job = await world.store.insertOnce(newJob({ upload: "u8" }), ONCE, T0);
    if (job === undefined) throw new Error("expected a job");
    expect(job).toMatchObject({ version: 1, progress: { phase: "accepted", upload: "u8" }, createdOnMs: T0 });
    expect(await world.store.get(job.id)).toEqual(job);
    expect((await world.store.history(job.id)).length).toBe(1);
    expect(await world.store.keyed("someone", ONCE.key)).toEqual({
      id: job.id,
      application: "wc",
      digest: "d1",
      isBeingDeleted: false,
    });
  });

  test("insertOnce() with a known key writes nothing, whatever the rest of the submission", async () => {
    await using world = await open();
    const first = await world.store.insertOnce(newJob(), ONCE, T0);
    const other = newJob({ application: "other", name: "other" });
    expect(await world.store.insertOnce(other, { ...ONCE, digest: "d2" }, T0 + 1)).toBeUndefined();
    expect(await world.store.list({ submitter: "someone", limit: 10, offset: 0 })).toEqual(first ? [first] : []);
    expect(await world.store.keyed("someone", ONCE.key)).toMatchObject({ id: first?.id ?? 0, digest: "d1" });
  });

  test("insertOnce() lets one of many simultaneous submissions with a key through", async () => {
    await using world = await open();
    const tries = Array.from({ length: 50 }, (_, n) => world.store.insertOnce(newJob({ name: `${n}` }), ONCE, T0));
    const plain = world.store.insert(newJob({ submitter: "beside" }), T0);
    const jobs = (await Promise.all(tries)).filter((job) => job !== undefined);
    expect(jobs.length).toBe(1);
    expect((await plain).id).toBeGreaterThan(0);
    expect(await world.store.list({ submitter: "someone", limit: 100, offset: 0 })).toEqual(jobs);
  });

  test("a key is the submitter's own, exact to the letter, and 255 characters long at most", async () => {
    await using world = await open();
    const key = "k".repeat(255);
    const ids = new Set<number | undefined>();
    for (const [submitter, text] of [
      ["someone", key],
      ["Someone", key],
      ["someone", key.toUpperCase()],
      ["someone", `${key.slice(1)} `],
      ["someone", "'; drop table job; --"],
    ] as const) {
      expect(await world.store.keyed(submitter, text)).toBeUndefined();
      const job = await world.store.insertOnce(newJob({ submitter }), { key: text, digest: "d" }, T0);
      expect(await world.store.keyed(submitter, text)).toMatchObject({ id: job?.id ?? 0 });
      ids.add(job?.id);
    }
    expect(ids.size).toBe(5);
  });

  test("a key lives as long as the row: also while the job is deleted, not a moment longer", async () => {
    await using world = await open();
    const job = await world.store.insertOnce(newJob(), ONCE, T0);
    if (job === undefined) throw new Error("expected a job");
    await world.store.save({ ...job, progress: progressIn("deleting") }, T0);
    expect(await world.store.insertOnce(newJob(), ONCE, T0)).toBeUndefined();
    expect(await world.store.keyed("someone", ONCE.key)).toMatchObject({ id: job.id, isBeingDeleted: true });
    await world.store.remove(job.id);
    expect(await world.store.keyed("someone", ONCE.key)).toBeUndefined();
    expect((await world.store.insertOnce(newJob(), ONCE, T0))?.id).toBeGreaterThan(job.id);
  });
}

function counts(open: OpenJobStore): void {
  test.each([
    ["stored", ["deleting"]],
    ["unfinished", ["deleting", "finished"]],
  ] as const)("hasAtLeast() counts %s jobs of one submitter in every phase but %p", async (kind, not) => {
    await using world = await open();
    for (const phase of PHASES) await inPhase(world.store, phase);
    await inPhase(world.store, "running", "somebody else");
    const counted = PHASES.length - not.length;
    const has = (count: number, of: JobKind = kind) => world.store.hasAtLeast("someone", of, count);
    expect(await Promise.all([0, 1, counted, counted + 1, 2 ** 53].map((count) => has(count)))).toEqual([
      ...[true, true, true, false, false],
    ]);
    expect(await world.store.hasAtLeast("nobody", kind, 1)).toBe(false);
  });
}
