import { expect, test } from "bun:test";
import { StaleVersionError } from "../../src/core/errors.ts";
import { jobId, MAX_JOB_ID } from "../../src/core/ids.ts";
import { progressIn, T0 } from "../support/job_builder.ts";
import { rejectionOf } from "../support/rejection.ts";
import { inPhase, newJob, type OpenJobStore, PHASES } from "./job_store_samples.ts";

const NO_JOB = jobId(12_345);

/** The part of the suite about save, history, rename and remove. */
export function jobStoreWrites(open: OpenJobStore): void {
  saving(open);
  conflicts(open);
  renamingAndRemoving(open);
}

function saving(open: OpenJobStore): void {
  test.each([...PHASES])("save() keeps any progress of phase %s as it is", async (phase) => {
    await using world = await open();
    let job = await world.store.insert(newJob(), T0);
    job = await world.store.save({ ...job, progress: progressIn(phase) }, T0);
    expect(job.progress).toEqual(progressIn(phase));
    expect(await world.store.get(job.id)).toEqual(job);
  });

  test("save() writes progress, attempt and times and counts the version up", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob(), T0);
    const progress = progressIn("running");
    const times = { updatedOnMs: T0 + 1, submittedOnMs: T0 + 7, startedOnMs: T0 + 2, finishedOnMs: T0 + 3 };
    const saved = await world.store.save({ ...job, progress, attempt: 4, ...times }, T0 + 9);
    expect(saved).toEqual({ ...job, progress, attempt: 4, ...times, version: 2 });
    expect(await world.store.get(job.id)).toEqual(saved);

    const again = await world.store.save(
      { ...saved, submittedOnMs: null, startedOnMs: null, finishedOnMs: null },
      T0 + 9,
    );
    expect(again).toEqual({ ...saved, submittedOnMs: null, startedOnMs: null, finishedOnMs: null, version: 3 });
    expect(await world.store.get(job.id)).toEqual(again);
  });

  test("save() leaves the fields of the identity alone", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob(), T0);
    const altered = { name: "other", application: "other", submitter: "other", parameters: {}, createdOnMs: T0 + 1 };
    await world.store.save({ ...job, ...altered, progress: progressIn("waiting") }, T0);
    expect(await world.store.get(job.id)).toEqual({ ...job, progress: progressIn("waiting"), version: 2 });
  });

  test("save() returns the name that the job was given meanwhile", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob(), T0);
    await world.store.rename(job.id, "renamed");
    const saved = await world.store.save(job, T0);
    expect(saved.name).toBe("renamed");
    expect(await world.store.get(job.id)).toEqual(saved);
  });

  test("save() appends a line to the history with its phase, state, attempt, reason and the time of the save", async () => {
    await using world = await open();
    let job = await world.store.insert(newJob(), T0);
    const failed = { isOk: false, returnCode: 3, reason: "Disk quota exceeded" };
    const cancellation = { reason: "Deleted by its owner", isDelete: true };
    job = await world.store.save({ ...job, progress: progressIn("submitting"), attempt: 1 }, T0 + 10);
    // A clock that was set back is written down as it is: the version tells the order.
    job = await world.store.save({ ...job, progress: progressIn("cancelling") }, T0 + 5);
    const closing = { phase: "closing", placement: null, schedulerJobId: null, outcome: failed, cancellation } as const;
    job = await world.store.save({ ...job, progress: closing }, T0 + 20);
    const finished = { phase: "finished", placement: null, schedulerJobId: null, outcome: failed } as const;
    await world.store.save({ ...job, progress: finished }, T0 + 30);
    expect(await world.store.history(job.id)).toEqual([
      { version: 1, onMs: T0, phase: "accepted", state: "new", attempt: 0, reason: null },
      { version: 2, onMs: T0 + 10, phase: "submitting", state: "queued", attempt: 1, reason: null },
      { version: 3, onMs: T0 + 5, phase: "cancelling", state: "running", attempt: 1, reason: "Cancelled by alice" },
      { version: 4, onMs: T0 + 20, phase: "closing", state: "staging_out", attempt: 1, reason: cancellation.reason },
      { version: 5, onMs: T0 + 30, phase: "finished", state: "error", attempt: 1, reason: failed.reason },
    ]);
  });

  test("history() returns all lines of one job, oldest first", async () => {
    await using world = await open();
    let job = await world.store.insert(newJob(), T0);
    const other = await world.store.insert(newJob(), T0);
    for (let count = 1; count < 120; count++) job = await world.store.save(job, T0 + count);
    const versions = (await world.store.history(job.id)).map((line) => line.version);
    expect(versions).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    expect(await world.store.history(other.id)).toHaveLength(1);
    for (const id of [NO_JOB, jobId(0), jobId(MAX_JOB_ID + 1)]) expect(await world.store.history(id)).toEqual([]);
  });
}

function conflicts(open: OpenJobStore): void {
  test("save() refuses a stale version and writes nothing", async () => {
    await using world = await open();
    const first = await world.store.insert(newJob(), T0);
    const second = await world.store.save({ ...first, progress: progressIn("waiting") }, T0);
    const history = await world.store.history(first.id);
    for (const version of [first.version, second.version + 1, 0, -1]) {
      const late = { ...first, version, progress: progressIn("running") };
      expect(await rejectionOf(world.store.save(late, T0))).toBeInstanceOf(StaleVersionError);
    }
    expect(await world.store.get(first.id)).toEqual(second);
    expect(await world.store.history(first.id)).toEqual(history);
  });

  test("save() refuses a job that is gone or never was, and does not bring it back", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob(), T0);
    await world.store.remove(job.id);
    for (const id of [job.id, NO_JOB, jobId(MAX_JOB_ID + 1)]) {
      expect(await rejectionOf(world.store.save({ ...job, id }, T0))).toBeInstanceOf(StaleVersionError);
      expect(await world.store.get(id)).toBeUndefined();
      expect(await world.store.history(id)).toEqual([]);
    }
  });

  test("save() lets exactly one of 100 simultaneous writers of one version win", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob(), T0);
    const writers = Array.from({ length: 100 }, (_, index) => index + 1);
    const results = await Promise.allSettled(writers.map((attempt) => world.store.save({ ...job, attempt }, T0)));
    const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const lost = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(won).toHaveLength(1);
    expect(lost.filter((error) => error instanceof StaleVersionError)).toHaveLength(99);
    expect(await world.store.get(job.id)).toEqual(won[0]);
    expect(await world.store.history(job.id)).toHaveLength(2);
  });

  test("a stale save() among simultaneous writes fails alone", async () => {
    await using world = await open();
    const jobs = await Promise.all(Array.from({ length: 20 }, () => world.store.insert(newJob(), T0)));
    const saves = jobs.map((job, index) => world.store.save({ ...job, version: index % 4 === 0 ? 9 : 1 }, T0));
    const results = await Promise.allSettled(saves);
    const isStale = (index: number) => index % 4 === 0;
    expect(results.map((result) => result.status)).toEqual(
      jobs.map((_, index) => (isStale(index) ? "rejected" : "fulfilled")),
    );
    for (const [index, job] of jobs.entries()) {
      expect((await world.store.get(job.id))?.version).toBe(isStale(index) ? 1 : 2);
    }
  });
}

function renamingAndRemoving(open: OpenJobStore): void {
  test("rename() changes the name only, touching neither version nor history", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob(), T0);
    expect(await world.store.rename(job.id, "second try")).toBe(true);
    expect(await world.store.get(job.id)).toEqual({ ...job, name: "second try" });
    expect(await world.store.history(job.id)).toHaveLength(1);
    expect((await world.store.save(job, T0)).version).toBe(2);
  });

  test("rename() returns false when there is no such job", async () => {
    await using world = await open();
    for (const id of [NO_JOB, jobId(0), jobId(MAX_JOB_ID + 1)]) expect(await world.store.rename(id, "x")).toBe(false);
  });

  test("remove() removes the row and its history, and leaves other jobs alone", async () => {
    await using world = await open();
    const job = await inPhase(world.store, "deleting");
    const other = await inPhase(world.store, "running");
    await world.store.remove(job.id);
    expect(await world.store.get(job.id)).toBeUndefined();
    expect(await world.store.history(job.id)).toEqual([]);
    expect(await world.store.unfinished(jobId(0), 10)).toEqual([other]);
    expect(await world.store.history(other.id)).toHaveLength(2);
  });

  test("remove() of an absent job is a no-op", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob(), T0);
    await world.store.remove(job.id);
    for (const id of [job.id, NO_JOB, jobId(0), jobId(MAX_JOB_ID + 1)]) await world.store.remove(id);
    expect(await world.store.list({ submitter: "someone", limit: 10, offset: 0 })).toEqual([]);
  });

  test("an id is never reused, not even that of the newest job after its removal", async () => {
    await using world = await open();
    const { id } = await world.store.insert(newJob(), T0);
    await world.store.remove(id);
    expect((await world.store.insert(newJob(), T0)).id).toBeGreaterThan(id);
  });
}
