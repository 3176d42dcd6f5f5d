import { expect } from "bun:test";
import fc from "fast-check";
import { StaleVersionError } from "../../src/core/errors.ts";
import { type JobId, jobId } from "../../src/core/ids.ts";
import { type Job, type Progress, PUBLIC_STATES, publicState } from "../../src/core/job.ts";
import type { HistoryEntry, JobFilter, JobListQuery, JobStore } from "../../src/ports/job_store.ts";
import { passesFilter } from "../support/passes_filter.ts";
import { rejectionOf } from "../support/rejection.ts";
import { anyProgress, newJob } from "./job_store_samples.ts";

const ANY: JobFilter = { states: [], applications: [], name: "" };

/** One call of the store. `pick` chooses among the jobs that were ever inserted, removed ones included. */
export type StoreCall =
  | {
      readonly type: "insert";
      readonly submitter: string;
      readonly name: string;
      readonly application: string;
    }
  | { readonly type: "save"; readonly pick: number; readonly behind: number; readonly progress: Progress }
  | { readonly type: "rename"; readonly pick: number; readonly name: string }
  | { readonly type: "remove"; readonly pick: number }
  | ({ readonly type: "list" } & JobListQuery)
  | { readonly type: "unfinished"; readonly after: number; readonly limit: number };

const pick = fc.nat(1000);
const application = fc.constantFrom("wc", "sort");
const submitter = fc.constantFrom("alice", "Alice", "bob");
const name = fc.constantFrom("", "a", "it's; drop table job; --", "naïve 名前", "x".repeat(200));

const anyFilter: fc.Arbitrary<JobFilter> = fc.record({
  states: fc.oneof(fc.constant([]), fc.subarray([...PUBLIC_STATES])),
  applications: fc.constantFrom([], [], ["wc"], ["wc", "sort"], ["sort", "sort"]),
  name: fc.constantFrom("", "", "a", "A", "%", "TABLE", "名"),
});

/** Any sequence of calls. */
export const storeCalls: fc.Arbitrary<StoreCall[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant("insert"), submitter, name, application }) },
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant("save"),
        pick,
        behind: fc.constantFrom(0, 0, 0, 0, 1, -1),
        progress: anyProgress,
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("rename"), pick, name }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("remove"), pick }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("list"),
        submitter,
        limit: fc.nat(8),
        offset: fc.constantFrom(0, 0, 1, 8),
        before: fc.option(fc.nat(30).map(jobId), { nil: undefined }),
        filter: anyFilter,
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("unfinished"), after: fc.nat(20), limit: fc.nat(8) }) },
  ),
  { minLength: 1, maxLength: 60 },
);

interface Entry {
  readonly job: Job;
  readonly history: readonly HistoryEntry[];
}

/** What a store must answer: two maps and nothing clever. */
class Model {
  readonly entries = new Map<JobId, Entry>();
  /** The newest copy of every job there ever was, as an actor would still hold it after a removal. */
  readonly copies: Job[] = [];

  pick(number: number): Job | undefined {
    return this.copies[number % this.copies.length];
  }

  /** Highest id first. */
  list({ submitter: of, limit, offset, before, filter = ANY }: JobListQuery): Job[] {
    const isListed = (job: Job) => job.submitter === of && job.progress.phase !== "deleting";
    return this.#jobs((job) => isListed(job) && job.id < (before ?? job.id + 1) && passesFilter(job, filter))
      .toReversed()
      .slice(offset, offset + limit);
  }

  unfinished(after: number, limit: number): Job[] {
    return this.#jobs((job) => job.id > after && job.progress.phase !== "finished").slice(0, limit);
  }

  /** Keeps `job`, and a line of history when its version is new. */
  write(job: Job, onMs?: number): void {
    const { id, version, attempt, progress } = job;
    const line = { version, phase: progress.phase, state: publicState(progress), attempt, reason: reasonIn(progress) };
    const history = this.entries.get(id)?.history ?? [];
    this.entries.set(id, { job, history: onMs === undefined ? history : [...history, { ...line, onMs }] });
    const index = this.copies.findIndex((copy) => copy.id === id);
    this.copies.splice(index === -1 ? this.copies.length : index, 1, job);
  }

  #jobs(isWanted: (job: Job) => boolean): Job[] {
    const jobs = [...this.entries.values()].map((entry) => entry.job);
    return jobs.filter(isWanted).sort((a, b) => a.id - b.id);
  }
}

/** Makes the same calls to `store`, which must be empty, and to a model, and compares all answers. */
export async function compareWithModel(store: JobStore, calls: readonly StoreCall[]): Promise<void> {
  const model = new Model();
  let nowMs = Date.UTC(2022, 0, 1);
  for (const call of calls) {
    nowMs += 7;
    await step(store, model, call, nowMs);
  }
  for (const { id } of model.copies) {
    const entry = model.entries.get(id);
    expect(await store.get(id)).toEqual(entry?.job);
    expect(await store.history(id)).toEqual([...(entry?.history ?? [])]);
  }
}

async function step(store: JobStore, model: Model, call: StoreCall, nowMs: number): Promise<void> {
  switch (call.type) {
    case "insert": {
      const job = await store.insert(
        newJob({ submitter: call.submitter, name: call.name, application: call.application }),
        nowMs,
      );
      expect(job.id).toBeGreaterThan(model.copies.at(-1)?.id ?? 0);
      expect(job).toMatchObject({ submitter: call.submitter, name: call.name, version: 1, createdOnMs: nowMs });
      model.write(job, nowMs);
      return;
    }
    case "save": {
      const copy = model.pick(call.pick);
      if (copy !== undefined) await save(store, model, copy, call, nowMs);
      return;
    }
    case "rename": {
      const id = model.pick(call.pick)?.id ?? jobId(1);
      const entry = model.entries.get(id);
      expect(await store.rename(id, call.name)).toBe(entry !== undefined);
      if (entry !== undefined) model.write({ ...entry.job, name: call.name });
      return;
    }
    case "remove": {
      const id = model.pick(call.pick)?.id ?? jobId(1);
      await store.remove(id);
      model.entries.delete(id);
      return;
    }
    case "list":
      expect(await store.list(call)).toEqual(model.list(call));
      return;
    case "unfinished":
      expect(await store.unfinished(jobId(call.after), call.limit)).toEqual(model.unfinished(call.after, call.limit));
      return;
  }
}

async function save(
  store: JobStore,
  model: Model,
  copy: Job,
  call: StoreCall & { type: "save" },
  nowMs: number,
): Promise<void> {
  const changed: Job = {
    ...copy,
    version: copy.version - call.behind,
    progress: call.progress,
    attempt: copy.attempt + 1,
    updatedOnMs: nowMs - 1,
    submittedOnMs: call.pick % 3 === 0 ? nowMs - 4 : null,
    startedOnMs: call.pick % 2 === 0 ? nowMs - 2 : null,
    finishedOnMs: call.progress.phase === "finished" ? nowMs - 3 : null,
  };
  if (!model.entries.has(copy.id) || call.behind !== 0) {
    expect(await rejectionOf(store.save(changed, nowMs))).toBeInstanceOf(StaleVersionError);
    return;
  }
  const saved = { ...changed, version: copy.version + 1 };
  expect(await store.save(changed, nowMs)).toEqual(saved);
  model.write(saved, nowMs);
}

function reasonIn(progress: Progress): string | null {
  if ("cancellation" in progress && progress.cancellation !== null) return progress.cancellation.reason;
  if ("note" in progress && progress.note !== null) return progress.note;
  if ("rerun" in progress && progress.rerun !== null) return progress.rerun.reason;
  return "outcome" in progress ? progress.outcome.reason : null;
}
