import { expect, test } from "bun:test";
import { schedulerJobId } from "../../src/core/ids.ts";
import type { Progress } from "../../src/core/job.ts";
import { explain, type SeenPerformer, type Surroundings, span } from "../../src/core/job_explanation.ts";
import { aJob } from "../support/job_builder.ts";

const QUIET: Surroundings = {
  nowMs: 100_000,
  reason: null,
  mode: "open",
  isDestinationMissing: false,
  isHeld: false,
  queuePosition: null,
  slots: null,
  outages: [],
  pollInMs: null,
  performers: null,
  performer: null,
};

const PLACED = { destination: "cluster", isStaged: true };

test("a waiting job is explained by what it waits for", () => {
  const job = aJob({ progress: { phase: "waiting", ...PLACED }, updatedOnMs: 40_000 });
  const text = (changes: Partial<Surroundings>) => explain(job, { ...QUIET, ...changes });
  expect(text({ slots: { capacity: 2, held: 2 }, queuePosition: 3 })).toMatch(
    /has been queued on destination cluster for 1 min\. It waits for a run slot; 2 of 2 are taken\. It is number 3/,
  );
  expect(text({ mode: "paused" })).toMatch(/paused by an administrator.*`resume cluster` lets it go on\.$/);
  expect(text({ isHeld: true, mode: "paused" })).toMatch(/holds it back\. `release \d+` lets it go\.$/);
});

test("an outage is told with its length, its reason and the next try", () => {
  const job = aJob({ progress: { phase: "waiting", ...PLACED } });
  const outage = { part: "scheduler", reason: "Host is gone", sinceMs: 10_000, nextTryMs: 105_000 } as const;
  expect(explain(job, { ...QUIET, outages: [outage] })).toMatch(
    /The scheduler has not answered for 1 min: Host is gone; it is tried again in 5 s\. Nothing is lost/,
  );
});

test("a job that waits for a performer is explained by those that are there", () => {
  const job = aJob({
    progress: { phase: "queued", ...PLACED, schedulerJobId: schedulerJobId("t-1-1"), note: null, rerun: null },
  });
  const seen = { capacity: 2, running: 2, isDraining: false, silentForMs: null };
  const text = (...performers: readonly SeenPerformer[]) =>
    explain(job, { ...QUIET, performers: { isKnown: true, performers } });
  expect(text()).toContain("No performer is there to run it; `bartender perform --destination cluster` starts one.");
  expect(text(seen, { ...seen, running: 1 })).toContain(
    "Of 2 performers 2 can be used, with room for 1 more job; it starts",
  );
  expect(text({ ...seen, running: 0 }, { ...seen, silentForMs: 9_000 })).toContain(
    "with room for 2 more jobs; 1 has not been heard of for 9 s, and a job that was there before a restart of Redis waits",
  );
  expect(
    text(seen, seen, { ...seen, running: 0, isDraining: true }, { ...seen, running: 0, silentForMs: 14_000 }),
  ).toContain(
    "of 4 performers 2 run as many jobs as may run at a time, 1 takes no more jobs, being stopped or with a full disk, 1 has not been heard of for 14 s.",
  );
  const unknown = (sinceMs: number | null) =>
    explain(job, { ...QUIET, performers: { isKnown: false, reason: "It is late", sinceMs } });
  expect(unknown(null)).toContain("Whether a performer is there for it is not known: It is late.");
  expect(unknown(95_000)).toContain("is not known: Redis has not answered for 5 s.");
});

test("a job that a performer has is explained by which one, and where, also when that is silent", () => {
  const handedOver = { ...PLACED, schedulerJobId: schedulerJobId("t-1-1") };
  const full = { capacity: 1, running: 1, isDraining: false, silentForMs: null };
  const text = (progress: Progress, silentForMs: number | null = null) =>
    explain(aJob({ progress }), {
      ...QUIET,
      performers: { isKnown: true, performers: [full] },
      performer: { name: "node7-ab", host: "node7.lab", silentForMs },
    });
  expect(text({ phase: "running", ...handedOver })).toContain(
    "the scheduler calls it t-1-1. Performer node7-ab on host node7.lab has it. ",
  );
  expect(text({ phase: "running", ...handedOver }, 9_000)).toContain("has it, and has not been heard of for 9 s.");
  const cancellation = { reason: "Cancelled by me", isDelete: false };
  expect(text({ phase: "cancelling", ...handedOver, wasRunning: true, cancellation })).toContain(
    "waits for the proof that nothing of it is left. Performer node7-ab on",
  );
  // It would look for itself in vain among those that have room.
  const begun = text({ phase: "queued", ...handedOver, note: null, rerun: null });
  expect(begun).toContain(
    "Its command starts when its files are there; the scheduler calls it t-1-1. Performer node7-ab on",
  );
  expect(begun).toContain("The log of that performer tells what keeps it.");
  expect(begun).not.toContain("No performer has room");
});

test("a job that has ended is explained with the host that had it", () => {
  const end = (isOk: boolean): Progress => ({
    ...{ phase: "finished", placement: PLACED, schedulerJobId: null },
    outcome: { isOk, returnCode: 0, reason: null, host: "node7.lab" },
  });
  expect(explain(aJob({ progress: end(true) }), QUIET)).toContain("Its command ended well on host node7.lab, and");
  expect(explain(aJob({ progress: end(false) }), { ...QUIET, reason: "It was late" })).toContain(
    "It failed on host node7.lab: It was late.",
  );
});

test("a failed job is explained by its reason, and a good one needs nothing", () => {
  const end = (isOk: boolean) =>
    aJob({
      progress: {
        phase: "finished",
        placement: PLACED,
        schedulerJobId: null,
        outcome: { isOk, returnCode: null, reason: null },
      },
    });
  expect(explain(end(false), { ...QUIET, reason: "The disk was full" })).toMatch(
    /It failed: The disk was full\. Look at/,
  );
  expect(explain(end(true), QUIET)).toMatch(/ended well, and nothing is left to do\.$/);
});

test("lengths of time are rounded to what people need", () => {
  expect([-5, 59_000, 61_000, 3_600_000, 4_000_000, 90_000_000].map(span)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "1 h",
    "1 h 6 min",
    "1 d 1 h",
  ]);
});
