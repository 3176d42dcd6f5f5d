import { describe, expect, test } from "bun:test";
import { isoDate, jobToJson } from "../../src/http/job_json.ts";
import { aJob, FAILED, LOCAL, progressIn } from "../support/job_builder.ts";

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
  test("has six keys in order, and nothing of its submitter, destination or scheduler", () => {
    const job = aJob({ progress: progressIn("running"), createdOnMs: 0, updatedOnMs: 1500 });
    expect(JSON.stringify(jobToJson(job))).toBe(
      '{"id":1,"name":"input.zip","application":"wc","state":"running",' +
        '"created_on":"1970-01-01T00:00:00+00:00","updated_on":"1970-01-01T00:00:01.500+00:00"}',
    );
  });

  test("shows a failed job as error", () => {
    const progress = { phase: "finished", placement: LOCAL, schedulerJobId: null, outcome: FAILED } as const;
    expect(jobToJson(aJob({ progress })).state).toBe("error");
  });
});
