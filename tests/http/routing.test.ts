import { describe, expect, test } from "bun:test";
import { BusyError, StoreUnavailableError } from "../../src/core/errors.ts";
import { type EdgeWorld, edgeWorld } from "../support/edge_world.ts";

const TRUSTED = { peerAddress: "127.0.0.1" };

async function detail(answer: Response): Promise<unknown> {
  const body: unknown = await answer.json();
  return typeof body === "object" && body !== null && "detail" in body ? body.detail : body;
}

function get(world: EdgeWorld, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return Promise.resolve(world.app.request(path, { headers: { ...world.auth(), ...headers } }));
}

describe("routing", () => {
  test.each(["/", "/api", "/api/", "/api/nothing", "/health", "/API/health", "/api/application/", "/api/job/1/name/2"])(
    "answers 404 for %s",
    async (path) => {
      using world = await edgeWorld();
      const answer = await get(world, path);
      expect([answer.status, await answer.text()]).toEqual([404, '{"detail":"Not Found"}']);
      expect(answer.headers.get("content-type")).toBe("application/json");
    },
  );

  test.each([
    ["/api/job", "/api/job/"],
    ["/api/job?limit=5&offset=%2F", "/api/job/?limit=5&offset=%2F"],
    ["/api/job/5/", "/api/job/5"],
    ["/api/job/x/", "/api/job/x"],
    ["/api/health/", "/api/health"],
    ["/api/whoami/", "/api/whoami"],
    ["/api/application/wc/", "/api/application/wc"],
    ["/api/application/a%20b/", "/api/application/a%20b"],
    ["/api/job/5/name/", "/api/job/5/name"],
    ["/api/job/5/stdout/", "/api/job/5/stdout"],
  ])("redirects %s to %s, without asking for a token", async (path, target) => {
    using world = await edgeWorld();
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await world.app.request(path, { method, headers: { host: "lab.example:81" } });
      expect(answer.status).toBe(307);
      expect(answer.headers.get("location")).toBe(`http://lab.example:81${target}`);
      expect(await answer.text()).toBe("");
    }
  });

  test("believes X-Forwarded-Proto of trusted peers only", async () => {
    using world = await edgeWorld();
    const request = (proto: string) =>
      new Request("http://inner/api/job", { headers: { host: "lab.example", "x-forwarded-proto": proto } });
    const location = async (proto: string, connection?: { peerAddress?: string }) =>
      (await world.app.fetch(request(proto), connection)).headers.get("location");
    expect(await location("https", TRUSTED)).toBe("https://lab.example/api/job/");
    expect(await location("HTTPS, http", TRUSTED)).toBe("https://lab.example/api/job/");
    expect(await location("gopher", TRUSTED)).toBe("http://lab.example/api/job/");
    expect(await location("https", { peerAddress: "10.0.0.1" })).toBe("http://lab.example/api/job/");
    expect(await location("https", {})).toBe("http://lab.example/api/job/");
    expect(await location("https")).toBe("http://lab.example/api/job/");
  });

  test("decodes a path once, slashes included", async () => {
    using world = await edgeWorld();
    const job = world.jobs.plant({});
    expect((await get(world, "/api%2Fhealth")).status).toBe(200);
    expect((await get(world, `/api/%6Aob/${job.id}`)).status).toBe(200);
    expect((await get(world, "/api/%256Aob/1")).status).toBe(404);
    expect((await get(world, "/api/job%2F1%2Fstdout%2F")).status).toBe(307);
    expect(await detail(await get(world, "/api/job/%2531"))).toEqual([
      { loc: ["path", "jobid"], msg: "value is not a valid integer", type: "type_error.integer" },
    ]);
  });

  test.each(["/api/job/%", "/api/job/%zz", "/api/job/%ff%fe", "/api/job/%00", "/api/job/%C3%A9"])(
    "takes the broken path %s for what it says",
    async (path) => {
      using world = await edgeWorld();
      expect((await get(world, path)).status).toBe(422);
    },
  );

  test.each([
    ["POST", "/api/health", "GET, HEAD"],
    ["DELETE", "/api/job/", "GET, HEAD"],
    ["PUT", "/api/job/5", "GET, HEAD, DELETE"],
    ["OPTIONS", "/api/job/5", "GET, HEAD, DELETE"],
    ["GET", "/api/application/wc", "PUT"],
    ["PATCH", "/api/job/5/name", "POST"],
    ["PROPFIND", "/api/whoami", "GET, HEAD"],
  ])("answers 405 for %s %s and allows %s", async (method, path, allow) => {
    using world = await edgeWorld();
    const answer = await world.app.request(path, { method });
    expect([answer.status, answer.headers.get("allow"), await answer.text()]).toEqual([
      405,
      allow,
      '{"detail":"Method Not Allowed"}',
    ]);
  });

  test("answers HEAD like GET, without the body", async () => {
    using world = await edgeWorld();
    const answer = await world.app.request("/api/health", { method: "HEAD" });
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    expect((await world.app.request("/api/job/1", { method: "HEAD" })).status).toBe(403);
  });

  test.each(["/api/health", "/api/whoami", "/api/job/", "/api/job/99", "/api/nothing"])(
    "answers HEAD of %s with the length that GET has: clients take an error without a body for a success",
    async (path) => {
      using world = await edgeWorld();
      const body = await (await get(world, path)).arrayBuffer();
      const headers = world.auth();
      const answer = await world.app.request(path, { method: "HEAD", headers });
      expect(answer.headers.get("content-length")).toBe(String(body.byteLength));
    },
  );

  test("takes no notice of a content type without a body", async () => {
    using world = await edgeWorld();
    const job = world.jobs.plant({});
    const json = { "content-type": "application/json" };
    expect((await get(world, `/api/job/${job.id}`, json)).status).toBe(200);
    const headers = { ...world.auth(), ...json };
    expect((await world.app.request(`/api/job/${job.id}`, { method: "DELETE", headers })).status).toBe(204);
  });
});

describe("health", () => {
  test("is null while the store answers", async () => {
    using world = await edgeWorld();
    const answer = await world.app.request("/api/health");
    expect([answer.status, await answer.text()]).toEqual([200, "null"]);
    expect(answer.headers.get("content-type")).toBe("application/json");
  });

  test("is 503 with a detail when it does not", async () => {
    using world = await edgeWorld();
    world.jobs.fault = new StoreUnavailableError("password of db.example is wrong");
    const answer = await world.app.request("/api/health");
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await detail(answer)).toBe("The job store is not available, please try again later");
    expect(world.logger.lines).toContainEqual(
      expect.objectContaining({ level: "warn", fields: { requestId: "request-1", error: world.jobs.fault } }),
    );
  });
});

describe("a fault", () => {
  test("of the daemon is answered 500, logged with its cause, and not shown", async () => {
    using world = await edgeWorld();
    world.jobs.fault = new Error("secret", { cause: new Error("deeper secret") });
    const answer = await get(world, "/api/job/");
    expect([answer.status, await answer.text()]).toEqual([500, '{"detail":"Internal Server Error"}']);
    expect(world.logger.lines.filter(({ level }) => level === "error")).toEqual([
      { level: "error", message: "Request failed", fields: { requestId: "request-1", error: world.jobs.fault } },
    ]);
  });

  test("that is no error object is answered and logged like one", async () => {
    using world = await edgeWorld({
      verifyToken: () => {
        throw "a text";
      },
    });
    const answer = await get(world, "/api/whoami");
    expect([answer.status, await answer.text()]).toEqual([500, '{"detail":"Internal Server Error"}']);
  });

  test("of a full daemon is answered 503 with the time to wait", async () => {
    using world = await edgeWorld();
    world.jobs.fault = new BusyError("Too many jobs at once");
    const answer = await get(world, "/api/job/");
    expect([answer.status, await detail(answer)]).toEqual([503, "Too many jobs at once"]);
    expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
  });
});
