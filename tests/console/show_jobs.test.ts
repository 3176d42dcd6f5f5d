import { describe, expect, test } from "bun:test";
import { paint } from "../../src/console/paint.ts";
import { showJobs, showPerformers } from "../../src/console/show_jobs.ts";
import { jobId } from "../../src/core/ids.ts";
import type { AdminJob } from "../../src/ports/admin_service.ts";

const JOB: AdminJob = {
  ...{ id: jobId(17), name: "input.zip", application: "an-application-with-a-long-name", submitter: "alice" },
  ...{ destination: "cluster", state: "queued", phase: "waiting", attempt: 0, queuePosition: 3 },
  ...{
    reason: "Destination cluster is degraded: the host does not answer",
    schedulerJobId: null,
    returnCode: null,
    host: null,
  },
  ...{
    isHeld: false,
    priority: 0,
    createdOnMs: 0,
    updatedOnMs: 0,
    submittedOnMs: null,
    startedOnMs: null,
    finishedOnMs: null,
  },
};

function widest(columns: number): number {
  const lines = showJobs([JOB], 60_000, paint(false), columns).split("\n");
  return Math.max(...lines.map((line) => line.length));
}

test("performers are listed with the jobs that they have when that is asked for", () => {
  const worker = { destination: "small", pid: 7, release: "1.0.0", sinceOnMs: 0, capacity: 4, isDraining: false };
  const performers = [
    { ...worker, name: "a-1", host: "a", running: 3, jobs: [jobId(17), jobId(18)], silentForMs: null },
    { ...worker, name: "b-1", host: "b", running: 0, jobs: [], silentForMs: null },
  ];
  const lines = (withJobs: boolean) =>
    showPerformers({ performers, unknown: [] }, withJobs, 60_000, paint(false)).split("\n");
  expect(lines(true)[0]).toEndWith("SINCE  JOBS");
  expect(lines(true)[1]).toEndWith("1 min  17, 18, 1 of other daemons");
  expect(lines(true)[2]).toMatch(/ 0 of 4 .* 1 min *$/);
  expect(lines(false).join("\n")).not.toContain("17");
});

describe("the list of jobs", () => {
  test("shows names and reasons in full where there is room", () => {
    const text = showJobs([JOB], 60_000, paint(false), 200);
    expect(text).toContain(`an-application-with-a-long-name  alice      1 min  ${JOB.reason}\n`);
  });

  test("cuts reasons, then names, and leaves reasons out at last, so that no line is too long", () => {
    for (const columns of [160, 140, 120, 100, 80]) expect(widest(columns)).toBeLessThanOrEqual(columns);
    expect(showJobs([JOB], 0, paint(false), 140)).toContain("…\n");
    expect(showJobs([JOB], 0, paint(false), 100)).toContain("an-application-…");
    expect(showJobs([JOB], 0, paint(false), 80)).not.toContain("REASON");
  });

  test("is as wide whether it has colours or not", () => {
    const colour = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g");
    expect(showJobs([JOB], 0, paint(true), 140).replaceAll(colour, "")).toBe(showJobs([JOB], 0, paint(false), 140));
  });
});
