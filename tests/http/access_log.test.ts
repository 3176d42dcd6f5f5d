import { describe, expect, test } from "bun:test";
import { withoutToken } from "../../src/http/access_log.ts";
import { edgeWorld } from "../support/edge_world.ts";

describe("the access log", () => {
  test.each([
    ["", ""],
    ["?", "?"],
    ["?limit=5", "?limit=5"],
    ["?token=secret", "?token=***"],
    ["?a=1&token=secret&b=2", "?a=1&token=***&b=2"],
    ["?token=secret&token=other", "?token=***&token=***"],
    ["?%74oken=secret", "?token=***"],
    ["?t%6Fken=secret&x", "?token=***&x"],
    ["?token", "?token=***"],
    ["?tokens=1&mytoken=2", "?tokens=1&mytoken=2"],
  ])("writes the query %p as %p", (query, logged) => {
    expect(withoutToken(query)).toBe(logged);
  });

  test("holds no token, wherever it came from", async () => {
    using world = await edgeWorld();
    const token = world.tokens.token("alice", world.clock.nowMs());
    const requests: readonly (readonly [string, Record<string, string>])[] = [
      [`/api/whoami?token=${token}`, {}],
      [`/api/whoami/?a=b&%74oken=${token}`, {}],
      [`/api/nothing?token=${token}`, {}],
      ["/api/whoami", { authorization: `Bearer ${token}` }],
      ["/api/whoami", { cookie: `bartenderToken=${token}` }],
      ["/api/whoami", { authorization: `Bearer ${token.slice(0, -9)}AAAAAAAAA` }],
    ];
    for (const [path, headers] of requests) await world.app.request(path, { headers });
    const signature = token.split(".")[2]?.slice(0, 40) ?? "";
    expect(world.logger.lines).toHaveLength(requests.length);
    expect(JSON.stringify(world.logger.lines)).not.toContain(signature);
  });

  test("has a line per request: reads that went well at debug, all others at info", async () => {
    using world = await edgeWorld();
    await world.app.fetch(new Request("http://h/api/health?x=1"), { peerAddress: "10.1.2.3" });
    await world.app.fetch(new Request("http://h/api/job/", { method: "DELETE" }), { peerAddress: "10.1.2.3" });
    expect(world.logger.lines).toEqual([
      {
        level: "debug",
        message: "Request",
        fields: {
          requestId: "request-1",
          method: "GET",
          path: "/api/health?x=1",
          status: 200,
          durationMs: 0,
          peer: "10.1.2.3",
        },
      },
      {
        level: "info",
        message: "Request",
        fields: {
          requestId: "request-1",
          method: "DELETE",
          path: "/api/job/",
          status: 405,
          durationMs: 0,
          peer: "10.1.2.3",
        },
      },
    ]);
  });

  test("names the client that a trusted proxy saw, and nobody else's word for it", async () => {
    using world = await edgeWorld();
    const request = () => new Request("http://h/api/health", { headers: { "x-forwarded-for": "1.1.1.1, 2.2.2.2" } });
    await world.app.fetch(request(), { peerAddress: "127.0.0.1" });
    await world.app.fetch(request(), { peerAddress: "10.1.2.3" });
    expect(world.logger.lines.map(({ fields }) => fields.peer)).toEqual(["2.2.2.2", "10.1.2.3"]);
  });
});
