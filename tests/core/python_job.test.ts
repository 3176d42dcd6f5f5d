import { describe, expect, test } from "bun:test";
import { schedulerJobId } from "../../src/core/ids.ts";
import type { Job, Progress } from "../../src/core/job.ts";
import { settlePythonJob, UNFINISHED_IN_PYTHON } from "../../src/core/python_job.ts";
import { aJob, LOCAL, progressIn, T0 } from "../support/job_builder.ts";

const NOW = T0 + 1_000;
const FOLLOWED = { isStaged: false, isFollowable: true };
const GONE = { isStaged: false, isFollowable: false };
const CLUSTER = { isStaged: true, isFollowable: true };

const taken = (progress: Job["progress"]) => aJob({ progress, attempt: 0 });

describe("a job taken over from the Python Bartender", () => {
  test.each(["queued", "running"] as const)("in phase %s is followed where its scheduler still has it", (phase) => {
    const job = taken(progressIn(phase));
    expect(settlePythonJob(job, FOLLOWED, NOW)).toBe(job);
    expect(settlePythonJob(job, CLUSTER, NOW)).toEqual({
      ...job,
      progress: { ...progressIn(phase), isStaged: true } as Progress,
    });
  });

  test.each(["queued", "running"] as const)("in phase %s ends with a reason where its scheduler forgot it", (phase) => {
    const settled = settlePythonJob(taken(progressIn(phase)), GONE, NOW);
    expect(settled.updatedOnMs).toBe(NOW);
    expect(settled.progress as unknown).toEqual({
      phase: "closing",
      placement: LOCAL,
      schedulerJobId: schedulerJobId("s1"),
      outcome: { isOk: false, returnCode: null, reason: UNFINISHED_IN_PYTHON },
      cancellation: null,
    });
  });

  test("whose command has ended has its output copied back where it has to be", () => {
    const job = taken(progressIn("staging_out"));
    expect(settlePythonJob(job, CLUSTER, NOW).progress).toMatchObject({ phase: "staging_out", isStaged: true });
    expect(settlePythonJob(job, GONE, NOW)).toBe(job);
  });

  test("whose destination is not configured waits for it to come back", () => {
    const job = taken(progressIn("running"));
    expect(settlePythonJob(job, undefined, NOW)).toBe(job);
  });

  test("is settled once: doing it again changes nothing", () => {
    for (const destination of [FOLLOWED, GONE, CLUSTER]) {
      const settled = settlePythonJob(taken(progressIn("running")), destination, NOW);
      expect(settlePythonJob(settled, destination, NOW)).toBe(settled);
    }
  });
});

test("jobs of our own are never touched, whatever their destination", () => {
  for (const phase of ["accepted", "staging_in", "waiting", "closing", "deleting"] as const) {
    const job = aJob({ progress: progressIn(phase), attempt: 0 });
    expect(settlePythonJob(job, GONE, NOW)).toBe(job);
  }
  for (const phase of ["submitting", "queued", "running", "cancelling", "staging_out"] as const) {
    const job = aJob({ progress: progressIn(phase), attempt: 1 });
    expect(settlePythonJob(job, GONE, NOW)).toBe(job);
  }
});
