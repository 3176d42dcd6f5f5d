import { expect, test } from "bun:test";
import { decode, encode } from "../../src/console/wire.ts";

test("answers are JSON with snake case and ISO times, and are read back as they were", () => {
  const answer = { jobId: 1, onMs: 5, startedOnMs: 0, finishedOnMs: null, parts: [{ isHealthy: true, latencyMs: 3 }] };
  expect(encode(answer)).toEqual({
    job_id: 1,
    on: "1970-01-01T00:00:00.005Z",
    started_on: "1970-01-01T00:00:00.000Z",
    finished_on: null,
    parts: [{ is_healthy: true, latency_ms: 3 }],
  });
  expect(decode<typeof answer>(encode(answer))).toEqual(answer);
});
