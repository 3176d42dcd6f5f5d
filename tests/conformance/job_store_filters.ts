import { expect, test } from "bun:test";
import { type JobId, jobId, MAX_JOB_ID } from "../../src/core/ids.ts";
import type { Job, Progress, PublicState } from "../../src/core/job.ts";
import type { JobFilter, JobListQuery, JobStore } from "../../src/ports/job_store.ts";
import { FAILED, LOCAL, progressIn, SUCCEEDED, T0 } from "../support/job_builder.ts";
import { newJob, type OpenJobStore } from "./job_store_samples.ts";

const ANY: JobFilter = { states: [], applications: [], name: "" };

/** The part of the suite about filters and pages of `list`. */
export function jobStoreFilters(open: OpenJobStore): void {
  test.each([
    [["ok"], [1]],
    [["error"], [2]],
    [
      ["running", "new"],
      [4, 0],
    ],
    [["staging_out"], []],
    [
      ["new", "queued", "running", "staging_out", "ok", "error"],
      [4, 3, 2, 1, 0],
    ],
  ] as const)("list() keeps to the states %p", async (states, expected) => {
    await using world = await open();
    const ids = await fiveJobs(world.store);
    expect(await listed(world.store, { states })).toEqual(expected.map((index) => ids[index] as JobId));
  });

  test.each([
    [["wc"], [4, 2, 0]],
    [
      ["wc", "sort"],
      [4, 3, 2, 1, 0],
    ],
    [["w", "WC", "wc "], []],
    [[""], []],
  ] as const)("list() keeps to the applications %p", async (applications, expected) => {
    await using world = await open();
    const ids = await fiveJobs(world.store);
    expect(await listed(world.store, { applications })).toEqual(expected.map((index) => ids[index] as JobId));
  });

  test.each([
    ["first", ["The FIRST one.zip", "first"]],
    ["FIRST", ["The FIRST one.zip", "first"]],
    ["%", ["100 % sure"]],
    ["_", ["a_b"]],
    ["\\", ["back\\slash"]],
    ["e.z", ["The FIRST one.zip"]],
    ["'", ["it's"]],
    ["名前", ["naïve 名前"]],
    ["ï", ["naïve 名前"]],
    ["", ["naïve 名前", "it's", "back\\slash", "a_b", "100 % sure", "axb", "", "The FIRST one.zip", "first"]],
    ["nothing of this", []],
  ])("list() looks for %p in the name, whatever its case and special characters", async (name, expected) => {
    await using world = await open();
    const names = ["first", "The FIRST one.zip", "", "axb", "100 % sure", "a_b", "back\\slash", "it's", "naïve 名前"];
    for (const one of names) await world.store.insert(newJob({ name: one }), T0);
    const jobs = await world.store.list({ ...page({ name }), limit: 100, offset: 0 });
    expect(jobs.map((job) => job.name)).toEqual(expected);
  });

  test("list() keeps to all filters together, and to the submitter", async () => {
    await using world = await open();
    const ids = await fiveJobs(world.store);
    await world.store.insert(newJob({ submitter: "other" }), T0);
    const filter = { states: ["new", "running"], applications: ["wc"], name: "4" } as const;
    expect(await listed(world.store, filter)).toEqual([ids[4] as JobId]);
    expect(await listed(world.store, { ...filter, states: ["ok"] })).toEqual([]);
  });

  test("list() with a filter leaves out jobs that are being deleted", async () => {
    await using world = await open();
    const job = await world.store.insert(newJob({ name: "a" }), T0);
    await world.store.save({ ...job, progress: progressIn("deleting") }, T0);
    for (const filter of [{ states: ["running"] }, { applications: ["wc"] }, { name: "a" }] as const) {
      expect(await listed(world.store, filter)).toEqual([]);
    }
  });

  test.each([
    ["no filter", {}],
    ["states", { states: ["new", "ok"] }],
    ["an application", { applications: ["wc"] }],
    ["a name", { name: "JOB" }],
  ] as const)("list() read page after page by the last number gives every job once: %s", async (_, filter) => {
    await using world = await open();
    const expected: JobId[] = [];
    for (let count = 0; count < 11; count++) {
      expected.unshift((await world.store.insert(newJob({ name: `job ${count}` }), T0)).id);
    }
    const seen: JobId[] = [];
    for (let before: JobId | undefined; ; before = seen.at(-1)) {
      const jobs = await world.store.list({ ...page(filter), limit: 4, offset: 0, before });
      seen.push(...jobs.map((job) => job.id));
      if (jobs.length < 4) break;
      // Jobs that come meanwhile are not in the way.
      await world.store.insert(newJob({ name: "later job" }), T0);
    }
    expect(seen).toEqual(expected);
  });

  test("list() counts limit and offset over the jobs that pass", async () => {
    await using world = await open();
    const ids = (await fiveJobs(world.store)).filter((_, index) => index % 2 === 0).reverse();
    for (const filter of [{ applications: ["wc"] }, { applications: ["wc"], name: "job" }]) {
      const ask = { ...page(filter) };
      expect(idsOf(await world.store.list({ ...ask, limit: 2, offset: 0 }))).toEqual(ids.slice(0, 2));
      expect(idsOf(await world.store.list({ ...ask, limit: 2, offset: 1 }))).toEqual(ids.slice(1));
      expect(idsOf(await world.store.list({ ...ask, limit: 2, offset: 1, before: ids[0] }))).toEqual(ids.slice(2));
      expect(await world.store.list({ ...ask, limit: 2, offset: 2 ** 53 })).toEqual([]);
      expect(await world.store.list({ ...ask, limit: 0, offset: 0 })).toEqual([]);
    }
  });

  test("list() takes any number as before", async () => {
    await using world = await open();
    const ids = (await fiveJobs(world.store)).reverse();
    const ask = (before: number) =>
      world.store.list({ submitter: "someone", limit: 10, offset: 0, before: jobId(before) });
    for (const before of [MAX_JOB_ID, MAX_JOB_ID + 1, 2 ** 53]) expect(idsOf(await ask(before))).toEqual(ids);
    for (const before of [1, 0, -1]) expect(await ask(before)).toEqual([]);
  });
}

/** Three jobs of `wc` and two of `sort`, called `job 0` to `job 4`: new, ok, error, queued and running. */
async function fiveJobs(store: JobStore): Promise<JobId[]> {
  const ended = { phase: "finished", placement: LOCAL, schedulerJobId: null } as const;
  const progresses: readonly Progress[] = [
    progressIn("staging_in"),
    { ...ended, outcome: SUCCEEDED },
    { ...ended, outcome: FAILED },
    progressIn("waiting"),
    progressIn("running"),
  ];
  const ids: JobId[] = [];
  for (const [index, progress] of progresses.entries()) {
    const application = index % 2 === 0 ? "wc" : "sort";
    const job = await store.insert(newJob({ name: `job ${index}`, application }), T0);
    await store.save({ ...job, progress }, T0);
    ids.push(job.id);
  }
  return ids;
}

function page(filter: {
  readonly states?: readonly PublicState[];
  readonly applications?: readonly string[];
  readonly name?: string;
}): Pick<JobListQuery, "submitter" | "filter"> {
  return { submitter: "someone", filter: { ...ANY, ...filter } };
}

async function listed(store: JobStore, filter: Parameters<typeof page>[0]): Promise<JobId[]> {
  return idsOf(await store.list({ ...page(filter), limit: 100, offset: 0 }));
}

function idsOf(jobs: readonly Job[]): JobId[] {
  return jobs.map((job) => job.id);
}
