import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import { type JobId, jobId, MAX_JOB_ID } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import { UNKNOWN_ORIGIN } from "../../src/core/job_origin.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { T0 } from "../support/job_builder.ts";
import { rejectionOf } from "../support/rejection.ts";
import { jobStoreFilters } from "./job_store_filters.ts";
import { jobStoreKeys } from "./job_store_keys.ts";
import { compareWithModel, storeCalls } from "./job_store_model.ts";
import { jobStoreRetention } from "./job_store_retention.ts";
import { anyProgress, inPhase, newJob, type OpenJobStore, PHASES } from "./job_store_samples.ts";
import { jobStoreWrites } from "./job_store_writes.ts";

const START = jobId(0);
const ALL = { limit: 1000, offset: 0 };

/** Set it to the seed that a failed run printed to have the same run again. */
const SEED = process.env.BARTENDER_TEST_SEED;

/** Every promise of {@link JobStore}, to be kept by each adapter. */
export function jobStoreSuite(name: string, open: OpenJobStore): void {
  describe(`${name} as a job store`, () => {
    identity(open);
    inserting(open);
    jobStoreKeys(open);
    listing(open);
    jobStoreFilters(open);
    resuming(open);
    jobStoreWrites(open);
    jobStoreRetention(open);
    closing(open);
    random(open);
  });
}

function identity(open: OpenJobStore): void {
  test("instanceId is of lower-case letters and digits, and each database has its own", async () => {
    await using one = await open();
    await using other = await open();
    expect(one.store.instanceId).toMatch(/^[a-z0-9]{8,}$/);
    expect(other.store.instanceId).not.toBe(one.store.instanceId);
  });

  test("ping() resolves when the store answers", async () => {
    await using world = await open();
    expect(await world.store.ping()).toBeUndefined();
  });
}

function inserting(open: OpenJobStore): void {
  test("insert() adds a job in phase accepted, version 1, with its first line of history", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob({ upload: "u7" }), T0);
    expect(job).toEqual({
      ...{ id: job.id, name: "first try", application: "wc", submitter: "someone", parameters: { word: "abc" } },
      ...{
        createdOnMs: T0,
        updatedOnMs: T0,
        submittedOnMs: null,
        startedOnMs: null,
        finishedOnMs: null,
        attempt: 0,
        version: 1,
      },
      origin: newJob().origin ?? UNKNOWN_ORIGIN,
      progress: { phase: "accepted", upload: "u7", cancellation: null },
    });
    expect(await world.store.get(job.id)).toEqual(job);
    expect(await world.store.history(job.id)).toEqual([
      { version: 1, onMs: T0, phase: "accepted", state: "new", attempt: 0, reason: null },
    ]);
  });

  test("insert() gives positive, ascending ids", async () => {
    await using world = await open();
    const ids: number[] = [];
    for (let count = 0; count < 5; count++) ids.push((await world.store.insert(newJob(), T0)).id);
    expect(ids[0]).toBeGreaterThan(0);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  });

  test("insert() gives each of many simultaneous submissions a job of its own", async () => {
    await using world = await open();
    const names = Array.from({ length: 300 }, (_, index) => `job ${index}`);
    const jobs = await Promise.all(names.map((name) => world.store.insert(newJob({ name }), T0)));
    expect(new Set(jobs.map((job) => job.id)).size).toBe(300);
    for (const job of jobs) expect(await world.store.get(job.id)).toEqual(job);
    expect(jobs.map((job) => job.name)).toEqual(names);
  });

  test.each([
    ["", "empty"],
    ["'; drop table job; --", "SQL"],
    ['100 % \\ _ * ? " ` $x :y @z ?1', "placeholders"],
    ["naïve 名前 🍹 \u202e\n\t\u0001", "Unicode and control characters"],
    ["x".repeat(200), "200 characters"],
  ])("insert() keeps text as it is: %#", async (text) => {
    await using world = await open();
    const job = await world.store.insert(newJob({ name: text, application: text, submitter: text, upload: text }), T0);
    expect(job).toMatchObject({ name: text, application: text, submitter: text });
    expect(await world.store.get(job.id)).toEqual(job);
    expect(await world.store.list({ submitter: text, ...ALL })).toEqual([job]);
  });

  test("insert() keeps any JSON object as parameters", async () => {
    await using world = await open();
    const parameters = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
    await fc.assert(
      fc.asyncProperty(parameters, async (value) => {
        // Through JSON first, because a negative zero is a zero there.
        const given = JSON.parse(JSON.stringify(value));
        const job = await world.store.insert(newJob({ parameters: given }), T0);
        expect((await world.store.get(job.id))?.parameters).toEqual(given);
      }),
      { numRuns: 50, ...seeded() },
    );
  });

  test("get() returns undefined for a number that no job has or can have", async () => {
    await using world = await open();
    const { id } = await world.store.insert(newJob(), T0);
    const wrong = [id + 1, 0, -1, 1.5, Number.NaN, MAX_JOB_ID, MAX_JOB_ID + 1, 2 ** 40, 1e300];
    for (const number of wrong) expect(await world.store.get(jobId(number))).toBeUndefined();
  });
}

function listing(open: OpenJobStore): void {
  test("list() returns the jobs of one submitter, highest id first", async () => {
    await using world = await open();
    const mine: Job[] = [];
    for (const submitter of ["a", "b", "a", "A", "a ", "a"]) {
      const job = await world.store.insert(newJob({ submitter }), T0);
      if (submitter === "a") mine.unshift(job);
    }
    expect(await world.store.list({ submitter: "a", ...ALL })).toEqual(mine);
    expect(await world.store.list({ submitter: "nobody", ...ALL })).toEqual([]);
  });

  test("list() leaves out jobs that are being deleted, and only those", async () => {
    await using world = await open();
    const shown: JobId[] = [];
    for (const phase of PHASES) {
      const job = await inPhase(world.store, phase);
      if (phase !== "deleting") shown.unshift(job.id);
    }
    expect(await listedIds(world.store, ALL)).toEqual(shown);
  });

  test("list() counts limit and offset over the jobs that it shows", async () => {
    await using world = await open();
    const ids: JobId[] = [];
    for (let count = 0; count < 7; count++) ids.unshift((await world.store.insert(newJob(), T0)).id);
    await inPhase(world.store, "deleting");
    expect(await listedIds(world.store, { limit: 3, offset: 0 })).toEqual(ids.slice(0, 3));
    expect(await listedIds(world.store, { limit: 3, offset: 5 })).toEqual(ids.slice(5));
    expect(await listedIds(world.store, { limit: 0, offset: 0 })).toEqual([]);
    expect(await listedIds(world.store, { limit: 3, offset: 7 })).toEqual([]);
  });

  test.each([2 ** 31, 2 ** 53, 1e300, Number.MAX_VALUE])("list() takes %d as limit and as offset", async (huge) => {
    await using world = await open();
    const { id } = await world.store.insert(newJob(), T0);
    expect(await listedIds(world.store, { limit: huge, offset: 0 })).toEqual([id]);
    expect(await listedIds(world.store, { limit: huge, offset: huge })).toEqual([]);
  });
}

function resuming(open: OpenJobStore): void {
  test("unfinished() returns the jobs of all submitters whose phase is not finished, lowest id first", async () => {
    await using world = await open();
    const expected: Job[] = [];
    for (const [index, phase] of PHASES.entries()) {
      const job = await inPhase(world.store, phase, `submitter ${index}`);
      if (phase !== "finished") expected.push(job);
    }
    expect(await world.store.unfinished(START, 1000)).toEqual(expected);
  });

  test("unfinished() read in batches by the last id gives every job once", async () => {
    await using world = await open();
    const expected: JobId[] = [];
    for (let count = 0; count < 10; count++) {
      const job = await inPhase(world.store, count % 3 === 1 ? "finished" : "running");
      if (count % 3 !== 1) expected.push(job.id);
    }
    const seen: JobId[] = [];
    for (let after = START; ; ) {
      const batch = await world.store.unfinished(after, 3);
      seen.push(...batch.map((job) => job.id));
      const last = batch.at(-1);
      if (last === undefined) break;
      expect(batch.length === 3 || last.id === expected.at(-1)).toBe(true);
      after = last.id;
    }
    expect(seen).toEqual(expected);
    expect(await world.store.unfinished(START, 0)).toEqual([]);
    expect(await world.store.unfinished(jobId(MAX_JOB_ID), 10)).toEqual([]);
  });
}

function closing(open: OpenJobStore): void {
  test("close() finishes pending writes and may be called again", async () => {
    await using world = await open();
    const writes = Array.from({ length: 600 }, () => world.store.insert(newJob(), T0));
    const closed = world.store.close();
    expect(new Set((await Promise.all(writes)).map((job) => job.id)).size).toBe(600);
    await closed;
    await world.store.close();
  });

  test("every method throws StoreUnavailableError once the store is closed", async () => {
    await using world = await open();
    const { store } = world;
    const job = await store.insert(newJob(), T0);
    await store.close();
    const calls: (() => Promise<unknown>)[] = [
      () => store.insert(newJob(), T0),
      () => store.insertOnce(newJob(), { key: "k", digest: "d" }, T0),
      () => store.keyed("someone", "k"),
      () => store.hasAtLeast("someone", "stored", 1),
      () => store.get(job.id),
      () => store.list({ submitter: "someone", ...ALL }),
      () => store.unfinished(START, 10),
      () => store.save(job, T0),
      () => store.rename(job.id, "x"),
      () => store.remove(job.id),
      () => store.history(job.id),
      () => store.ping(),
    ];
    for (const call of calls) expect(await rejectionOf(call())).toBeInstanceOf(StoreUnavailableError);
  });
}

function random(open: OpenJobStore): void {
  test("any progress comes back as it was saved", async () => {
    await using world = await open();
    let job = await world.store.insert(newJob(), T0);
    await fc.assert(
      fc.asyncProperty(anyProgress, async (progress) => {
        job = await world.store.save({ ...job, progress }, T0);
        expect(await world.store.get(job.id)).toEqual({ ...job, progress });
      }),
      { numRuns: 200, ...seeded() },
    );
  });

  test("any sequence of calls is answered like a list in memory would", async () => {
    await fc.assert(
      fc.asyncProperty(storeCalls, async (calls) => {
        await using world = await open();
        await compareWithModel(world.store, calls);
      }),
      { numRuns: 25, ...seeded() },
    );
  }, 60_000);
}

function seeded(): { seed?: number } {
  return SEED === undefined ? {} : { seed: Number(SEED) };
}

async function listedIds(store: JobStore, page: { limit: number; offset: number }): Promise<JobId[]> {
  return (await store.list({ submitter: "someone", ...page })).map((job) => job.id);
}
