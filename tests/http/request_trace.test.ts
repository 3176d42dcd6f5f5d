import { describe, expect, test } from "bun:test";
import { traceIdOf } from "../../src/http/request_trace.ts";
import { edgeWorld, uploadForm } from "../support/edge_world.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

describe("traceparent", () => {
  test.each([
    [`00-${TRACE}-b7ad6b7169203331-01`, TRACE],
    [` 00-${TRACE}-b7ad6b7169203331-00 `, TRACE],
    [`cc-${TRACE}-b7ad6b7169203331-01-what-the-future-brings`, TRACE],
    [`cc-${TRACE}-b7ad6b7169203331-01`, TRACE],
    [`00-${TRACE}-b7ad6b7169203331-01-more`, undefined],
    [`ff-${TRACE}-b7ad6b7169203331-01`, undefined],
    [`00-${TRACE.toUpperCase()}-b7ad6b7169203331-01`, undefined],
    [`00-${"0".repeat(32)}-b7ad6b7169203331-01`, undefined],
    [`00-${TRACE}-${"0".repeat(16)}-01`, undefined],
    [`00-${TRACE}-b7ad6b7169203331`, undefined],
    [`00-${TRACE}-b7ad6b7169203331-01, 00-${TRACE}-b7ad6b7169203331-01`, undefined],
    ["", undefined],
    [null, undefined],
  ])("%p names the trace %p", (header, expected) => {
    expect(traceIdOf(header)).toBe(expected);
  });

  test("stands in the log lines of its request, and of no other", async () => {
    using world = await edgeWorld();
    const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
    await Promise.all([
      world.app.request("/api/health", { headers: { traceparent, "x-request-id": "first" } }),
      world.app.request("/api/health", { headers: { traceparent: "nonsense", "x-request-id": "second" } }),
    ]);
    const traces = world.logger.lines.map(({ fields }) => [fields.requestId, fields.trace_id]);
    expect(traces.sort()).toEqual([
      ["first", TRACE],
      ["second", undefined],
    ]);
  });

  test("goes with the job that the request submits", async () => {
    using world = await edgeWorld();
    const headers = { ...world.auth(), traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
    await world.app.request("/api/application/wc", { method: "PUT", headers, body: uploadForm() });
    expect(world.jobs.submitted[0]?.origin?.trace).toEqual({ requestId: "request-1", trace_id: TRACE });
    expect(world.logger.lines).toContainEqual(
      expect.objectContaining({
        message: "A job was submitted",
        fields: { requestId: "request-1", trace_id: TRACE, job: expect.any(Number), application: "wc" },
      }),
    );
  });
});

describe("the id of a request", () => {
  test.each([
    ["abc-123_x.y:z/=+@", "abc-123_x.y:z/=+@"],
    ["", "request-1"],
    ["two words", "request-1"],
    ["x".repeat(128), "x".repeat(128)],
    ["x".repeat(129), "request-1"],
    ['"quoted"', "request-1"],
  ])("asked for as %p is %p in the answer and in the log", async (asked, expected) => {
    using world = await edgeWorld();
    const answer = await world.app.request("/api/nothing", { headers: { "x-request-id": asked } });
    expect([answer.status, answer.headers.get("x-request-id")]).toEqual([404, expected]);
    expect(world.logger.lines.map(({ fields }) => fields.requestId)).toEqual([expected]);
  });
});
