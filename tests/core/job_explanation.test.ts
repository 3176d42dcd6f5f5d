import { expect, test } from "bun:test";
import { explain, type Surroundings, span } from "../../src/core/job_explanation.ts";
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
