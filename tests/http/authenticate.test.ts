import { describe, expect, test } from "bun:test";
import { edgeWorld } from "../support/edge_world.ts";

async function setup(changes: Parameters<typeof edgeWorld>[0] = {}) {
  const world = await edgeWorld(changes);
  const token = (name: string) => world.tokens.token(name, world.clock.nowMs());
  const whoami = async (request: { headers?: Record<string, string>; query?: string }) => {
    const answer = await world.app.request(`/api/whoami${request.query ?? ""}`, { headers: request.headers ?? {} });
    const body: unknown = await answer.json();
    return { status: answer.status, body, headers: answer.headers };
  };
  return { world, token, whoami, [Symbol.dispose]: () => world[Symbol.dispose]() };
}

describe("a request", () => {
  test("without a token is answered 403, and asks for nothing", async () => {
    using edge = await setup();
    const { whoami } = edge;
    const answer = await whoami({});
    expect(answer).toMatchObject({ status: 403, body: { detail: "Not authenticated" } });
    expect(answer.headers.has("www-authenticate")).toBe(false);
  });

  test("with a bad token is answered 401", async () => {
    using edge = await setup();
    const { whoami } = edge;
    const answer = await whoami({ headers: { authorization: "Bearer a.b" } });
    expect(answer).toMatchObject({ status: 401, body: { detail: "Not enough segments" } });
    expect(answer.headers.has("www-authenticate")).toBe(false);
  });

  test("shows who its sender is taken for", async () => {
    using edge = await setup();
    const { world, whoami } = edge;
    const token = world.tokens.token("alice", world.clock.nowMs(), { roles: ["a", "b"] });
    const answer = await whoami({ headers: { authorization: `Bearer ${token}` } });
    expect(JSON.stringify(answer.body)).toBe(JSON.stringify({ username: "alice", roles: ["a", "b"], apikey: token }));
    expect(answer.headers.get("content-type")).toBe("application/json");
  });

  test.each(["Bearer", "bearer", "BEARER"])("may spell the scheme %s", async (scheme) => {
    using edge = await setup();
    const { token, whoami } = edge;
    expect(await whoami({ headers: { authorization: `${scheme} ${token("alice")}` } })).toMatchObject({ status: 200 });
  });

  test.each(["Basic YTpi", "Bearer", "Bearer ", "", "token"])(
    "with the header %p has no token",
    async (authorization) => {
      using edge = await setup();
      const { whoami } = edge;
      expect(await whoami({ headers: { authorization } })).toMatchObject({ status: 403 });
    },
  );

  test("takes the token from the cookie, then the query, then the header", async () => {
    using edge = await setup();
    const { token, whoami } = edge;
    const cookie = `a=1; bartenderToken=${token("cookie")}; b=2`;
    const authorization = `Bearer ${token("header")}`;
    const query = `?token=${token("query")}`;
    expect(await whoami({ query, headers: { cookie, authorization } })).toMatchObject({ body: { username: "cookie" } });
    expect(await whoami({ query, headers: { authorization } })).toMatchObject({ body: { username: "query" } });
    expect(await whoami({ headers: { authorization } })).toMatchObject({ body: { username: "header" } });
  });

  test("with a bad token in the first place is not helped by a good one in the next", async () => {
    using edge = await setup();
    const { token, whoami } = edge;
    const authorization = `Bearer ${token("header")}`;
    expect(await whoami({ headers: { cookie: "bartenderToken=bad", authorization } })).toMatchObject({ status: 401 });
    expect(await whoami({ query: "?token=bad", headers: { authorization } })).toMatchObject({ status: 401 });
  });

  test("with an empty cookie or query parameter goes on to the next place", async () => {
    using edge = await setup();
    const { token, whoami } = edge;
    const headers = { cookie: "bartenderToken=", authorization: `Bearer ${token("header")}` };
    expect(await whoami({ query: "?token=", headers })).toMatchObject({ body: { username: "header" } });
    expect(await whoami({ query: "?token=", headers: { cookie: "bartenderToken=" } })).toMatchObject({ status: 403 });
  });

  test("cannot use cookie or query when they are turned off", async () => {
    using edge = await setup({ tokens: { allowCookie: false, allowQuery: false } });
    const { token, whoami } = edge;
    const headers = { cookie: `bartenderToken=${token("cookie")}` };
    expect(await whoami({ query: `?token=${token("query")}`, headers })).toMatchObject({ status: 403 });
  });
});
