import { describe, expect, test } from "bun:test";
import type { Job } from "../../src/core/job.ts";
import { historyToJson, isoDate, jobToJson } from "../../src/http/job_json.ts";
import { aJob, FAILED, progressIn } from "../support/job_builder.ts";

describe("a date", () => {
  test.each([
    [Date.UTC(2022, 0, 1), "2022-01-01T00:00:00+00:00"],
    [Date.UTC(2026, 2, 4, 5, 6, 7, 345), "2026-03-04T05:06:07.345+00:00"],
    [Date.UTC(2026, 2, 4, 5, 6, 7, 20), "2026-03-04T05:06:07.020+00:00"],
    [1_772_600_767_345.588, "2026-03-04T05:06:07.345588+00:00"],
    [1_772_600_767_000.001, "2026-03-04T05:06:07.000001+00:00"],
    [0, "1970-01-01T00:00:00+00:00"],
    [-1, "1969-12-31T23:59:59.999+00:00"],
  ])("of %p ms is %s", (ms, text) => {
    expect(isoDate(ms)).toBe(text);
    expect(new Date(text).getTime()).toBe(Math.floor(ms));
  });
});

describe("a job as JSON", () => {
  const view = (job: Job) => ({ job, reason: null, queuePosition: null });

  test("has the six keys of the Python Bartender first, and nothing of its submitter, values or scheduler", () => {
    const job = aJob({
      progress: progressIn("running"),
      parameters: { word: "secret" },
      createdOnMs: 0,
      updatedOnMs: 1500,
      submittedOnMs: 1000,
      startedOnMs: 1500,
    });
    expect(JSON.stringify(jobToJson(view(job)))).toBe(
      '{"id":1,"name":"input.zip","application":"wc","state":"running",' +
        '"created_on":"1970-01-01T00:00:00+00:00","updated_on":"1970-01-01T00:00:01.500+00:00",' +
        '"reason":null,"destination":"here","queue_position":null,"submitted_on":"1970-01-01T00:00:01+00:00",' +
        '"started_on":"1970-01-01T00:00:01.500+00:00","finished_on":null,"returncode":null}',
    );
  });

  test("shows a failed job as error, with its return code", () => {
    const progress = { phase: "finished", placement: null, schedulerJobId: null, outcome: FAILED } as const;
    expect(jobToJson(view(aJob({ progress, finishedOnMs: 0 })))).toMatchObject({
      state: "error",
      destination: null,
      finished_on: "1970-01-01T00:00:00+00:00",
      returncode: 7,
    });
  });

  test("shows what is known beside it", () => {
    const job = aJob({ progress: progressIn("waiting") });
    expect(jobToJson({ job, reason: "Why", queuePosition: 3 })).toMatchObject({ reason: "Why", queue_position: 3 });
  });
});

describe("a step of a job as JSON", () => {
  test("has its time and both states", () => {
    const entry = { version: 2, onMs: 0, phase: "waiting", state: "queued", attempt: 1, reason: null } as const;
    expect(JSON.stringify(historyToJson(entry))).toBe(
      '{"version":2,"on":"1970-01-01T00:00:00+00:00","state":"queued","phase":"waiting","attempt":1,"reason":null}',
    );
  });
});
