import { describe, expect, test } from "bun:test";
import { type JobPlace, trackedJobStore } from "../../../adapters/metrics/job_tracker.ts";
import { overriding } from "../../../adapters/metrics/overriding.ts";
import { jobId } from "../../../src/core/ids.ts";
import type { Job, Phase } from "../../../src/core/job.ts";
import type { JobStore } from "../../../src/ports/job_store.ts";
import { MemoryJobStore } from "../../simulation/memory_job_store.ts";
import { progressIn } from "../../support/job_builder.ts";

const NEW = { name: "n", application: "wc", submitter: "alice", parameters: {}, upload: "upload-1" };

const memoryStore = (): MemoryJobStore => new MemoryJobStore("test");

function setup(store: JobStore = memoryStore()) {
  const places = new Map<string, number>();
  const told: string[] = [];
  const moved = ({ phase, state, destination }: JobPlace, by: 1 | -1): void => {
    const key = `${phase} ${state} ${destination}`;
    places.set(key, (places.get(key) ?? 0) + by);
  };
  const tracked = trackedJobStore(store, {
    moved,
    submitted: (application) => void told.push(`submitted ${application}`),
    started: (destination, waitedS) => void told.push(`started ${destination} ${waitedS}`),
    ran: (destination, durationS) => void told.push(`ran ${destination} ${durationS}`),
    rerun: (destination) => void told.push(`rerun ${destination}`),
    finished: ({ destination, isOk }, afterS) => void told.push(`finished ${destination} ${isOk} ${afterS}`),
  });
  return { store, tracked, told, places: () => [...places].filter(([, count]) => count !== 0) };
}

/** Takes a job to a phase, `atMs` after its submission. */
function step(store: JobStore, job: Job, phase: Phase, atMs: number, changes: Partial<Job> = {}): Promise<Job> {
  return store.save({ ...job, progress: progressIn(phase), updatedOnMs: atMs, ...changes }, atMs);
}

describe("the tracked store", () => {
  test("counts an unfinished job once, in the place where it is", async () => {
    const { tracked, places } = setup();
    const job = await tracked.insert(NEW, 0);
    expect(places()).toEqual([["accepted new none", 1]]);
    const waiting = await step(tracked, job, "waiting", 1);
    expect(places()).toEqual([["waiting queued here", 1]]);
    await step(tracked, waiting, "finished", 2);
    expect(places()).toEqual([]);
  });

  test("tells submission, wait, run and end with their times in seconds", async () => {
    const { tracked, told } = setup();
    let job = await tracked.insert(NEW, 0);
    job = await step(tracked, job, "submitting", 1_000, { attempt: 1 });
    job = await step(tracked, job, "running", 5_000, { startedOnMs: 5_000 });
    job = await step(tracked, job, "staging_out", 65_000);
    await step(tracked, job, "finished", 70_000);
    expect(told).toEqual(["submitted wc", "started here 5", "ran here 60", "finished here true 70"]);
  });

  test("tells of an interrupted command that is run again, and of its first start only", async () => {
    const { tracked, told } = setup();
    let job = await tracked.insert(NEW, 0);
    job = await step(tracked, job, "submitting", 1_000, { attempt: 1 });
    job = await step(tracked, job, "running", 2_000, { startedOnMs: 2_000 });
    job = await step(tracked, job, "submitting", 3_000, { attempt: 2, startedOnMs: null });
    await step(tracked, job, "running", 4_000, { startedOnMs: 4_000 });
    expect(told.filter((line) => line.startsWith("started"))).toHaveLength(1);
    expect(told.filter((line) => line.startsWith("rerun"))).toHaveLength(1);
  });

  test("knows the jobs of an earlier daemon once they were read, and counts them once", async () => {
    const store = memoryStore();
    await store.insert(NEW, 0);
    const { tracked, places, told } = setup(store);
    await tracked.unfinished(jobId(0), 10);
    await tracked.unfinished(jobId(0), 10);
    expect(places()).toEqual([["accepted new none", 1]]);
    expect(told).toEqual([]);
  });

  test("does not bring a job back that came to its end while old rows were read", async () => {
    const inner = memoryStore();
    const reading = Promise.withResolvers<void>();
    const slow = overriding<JobStore>(inner, {
      async unfinished(after, limit) {
        const rows = await inner.unfinished(after, limit);
        await reading.promise;
        return rows;
      },
    });
    const { tracked, places } = setup(slow);
    const job = await tracked.insert(NEW, 0);
    const read = tracked.unfinished(jobId(0), 10);
    await step(tracked, job, "finished", 1);
    reading.resolve();
    await read;
    expect(places()).toEqual([]);
  });

  test("forgets a job that is removed", async () => {
    const { tracked, places } = setup();
    const job = await tracked.insert(NEW, 0);
    await tracked.remove(job.id);
    await tracked.remove(job.id);
    expect(places()).toEqual([]);
  });
});

describe("overriding", () => {
  test("leaves private parts, properties and absent methods of its target as they are", () => {
    class Target {
      #secret = 5;
      readonly optional?: () => number;
      get secret(): number {
        return this.#secret;
      }
      next(): number {
        return ++this.#secret;
      }
      name(): string {
        return "target";
      }
    }
    const over = overriding(new Target(), { name: () => "other" });
    const { next } = over;
    expect([over.secret, next(), over.secret, over.name(), over.optional]).toEqual([5, 6, 6, "other", undefined]);
  });
});
