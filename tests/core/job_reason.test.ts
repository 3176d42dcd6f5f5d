import { describe, expect, test } from "bun:test";
import type { DestinationPart } from "../../src/core/destination_health.ts";
import type { Job, Phase, Progress } from "../../src/core/job.ts";
import { type Circumstances, reasonOf, reasonOfEnd } from "../../src/core/job_reason.ts";
import { aJob, FAILED, KILLED, LOCAL, progressIn, REMOTE, SUCCEEDED, T0 } from "../support/job_builder.ts";

const QUIET: Circumstances = { retry: null, isDestinationMissing: false, outages: {} };
const RETRY: Circumstances = { ...QUIET, retry: { reason: "Connection refused", dueMs: T0 + 90_500 } };
const GONE: Circumstances = { ...QUIET, isDestinationMissing: true };
const cancellation = { reason: "Cancelled by alice", isDelete: false };

function ended(outcome: Extract<Progress, { phase: "finished" }>["outcome"]): Job {
  return aJob({ progress: { phase: "finished", placement: LOCAL, schedulerJobId: null, outcome } });
}

describe("the reason of a job", () => {
  test.each([
    ["succeeded", SUCCEEDED, null],
    ["failed with a status", FAILED, "The command ended with status 7"],
    ["was killed", KILLED, "Ended by signal 9"],
    ["failed before it ran", { isOk: false, returnCode: null, reason: "No such partition" }, "No such partition"],
    ["failed and was taken over without a reason", { isOk: false, returnCode: null, reason: null }, null],
  ])("that %s is %#", (_, outcome, reason) => {
    expect(reasonOf(ended(outcome), QUIET)).toBe(reason);
    expect(reasonOf(ended(outcome), RETRY)).toBe(reason);
    expect(reasonOf(ended(outcome), GONE)).toBe(reason);
  });

  test("that goes on as it should is null", () => {
    for (const phase of ["accepted", "staging_in", "waiting", "submitting", "queued", "running"] as const) {
      expect(reasonOf(aJob({ progress: progressIn(phase) }), QUIET)).toBeNull();
    }
  });

  test.each([
    ["accepted", "No destination could be chosen"],
    ["staging_in", "Input could not be copied to the destination"],
    ["submitting", "The job could not be submitted"],
    ["staging_out", "Output could not be copied back"],
  ] as const)("that is tried again in phase %s tells what failed and when the next try is", (phase, what) => {
    expect(reasonOf(aJob({ progress: progressIn(phase, REMOTE) }), RETRY)).toBe(
      `${what}: Connection refused; next try at 2022-01-01T00:01:30Z`,
    );
  });

  test("that waits for a part of its destination that is degraded tells why and when the next try is", () => {
    const outage = { reason: "No route to host", dueMs: T0 + 90_500 };
    const waits = (phase: Phase, part: DestinationPart) =>
      reasonOf(aJob({ progress: progressIn(phase, REMOTE) }), { ...RETRY, outages: { [part]: outage } });
    const expected = 'Destination "cluster" is degraded: No route to host; next try at 2022-01-01T00:01:30Z';
    for (const phase of ["staging_in", "staging_out", "closing"] as const) {
      expect(waits(phase, "file_system")).toBe(expected);
      expect(waits(phase, "scheduler")).not.toContain("degraded");
    }
    for (const phase of ["waiting", "submitting", "queued", "running"] as const) {
      expect(waits(phase, "scheduler")).toBe(expected);
      expect(waits(phase, "file_system")).not.toContain("degraded");
    }
    expect(waits("cancelling", "scheduler")).toBe(`Cancelled by alice; ${expected}`);
    expect(waits("finished", "scheduler")).toBeNull();
  });

  test("that waits for a destination that is gone names it", () => {
    for (const phase of ["staging_in", "waiting", "queued", "running"] as const) {
      expect(reasonOf(aJob({ progress: progressIn(phase, REMOTE) }), GONE)).toBe(
        'Destination "cluster" is not configured any more; the job waits for it',
      );
    }
    expect(reasonOf(aJob(), GONE)).toBeNull();
  });

  test("that is being cancelled tells by whom, and what keeps it from ending", () => {
    const job = aJob({ progress: progressIn("cancelling") });
    expect(reasonOf(job, QUIET)).toBe("Cancelled by alice");
    expect(reasonOf(job, RETRY)).toBe(
      "Cancelled by alice; The command could not be ended: Connection refused; next try at 2022-01-01T00:01:30Z",
    );
    const submitting = aJob({ progress: { phase: "submitting", ...LOCAL, cancellation, rerun: null } });
    expect(reasonOf(submitting, QUIET)).toBe("Cancelled by alice");
  });

  test("that is run again tells why", () => {
    const rerun = { wasRunning: true, reason: "The machine was restarted" };
    const progress = { phase: "submitting", ...LOCAL, cancellation: null, rerun } as const;
    expect(reasonOf(aJob({ progress }), QUIET)).toBe("The machine was restarted");
  });

  test("as it is saved leaves out what a return code says", () => {
    expect(reasonOfEnd(ended(FAILED).progress)).toBeNull();
  });
});
