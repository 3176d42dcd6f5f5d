import { describe, expect, test } from "bun:test";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import { type EdgeWorld, edgeWorld } from "../support/edge_world.ts";

const PAGES = [
  ["/api/docs", "bartender - Swagger UI"],
  ["/api/redoc", "bartender - ReDoc"],
] as const;

/** Where a page says that its scripts, styles and pictures are. */
function addressesIn(html: string): readonly string[] {
  return [...html.matchAll(/(?:src|href|spec-url)="([^"]+)"/g)].map(([, address = ""]) => address);
}

const get = (world: EdgeWorld, path: string, init?: RequestInit) => world.app.request(path, init);

describe("the documentation pages", () => {
  test.each(PAGES)("%s is an HTML page called %s, for everybody", async (path, title) => {
    using world = await edgeWorld();
    const response = await get(world, path);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(await response.text()).toContain(`<title>${title}</title>`);
  });

  test.each(PAGES)("%s needs nothing but files of this service", async (path) => {
    using world = await edgeWorld();
    const page = await get(world, path);
    const addresses = addressesIn(await page.text());
    expect(addresses.length).toBeGreaterThan(1);
    for (const address of addresses) {
      // Relative, so that it is the same behind a proxy that puts a path before ours.
      expect(address).toMatch(/^[a-z]/);
      expect(address).not.toContain(":");
      const { pathname } = new URL(address, `http://localhost${path}`);
      const file = await get(world, pathname);
      expect([pathname, file.status]).toEqual([pathname, 200]);
      expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(100);
    }
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
  });

  test("have scripts, styles and pictures with their types", async () => {
    using world = await edgeWorld();
    const types = new Map<string, string | null>();
    for (const file of [
      "docs/swagger-ui.css",
      "docs/swagger-ui-bundle.js",
      "docs/start.js",
      "docs/favicon-32x32.png",
    ]) {
      types.set(file, (await get(world, `/api/${file}`)).headers.get("content-type"));
    }
    expect(Object.fromEntries(types)).toEqual({
      "docs/swagger-ui.css": "text/css; charset=utf-8",
      "docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
      "docs/start.js": "text/javascript; charset=utf-8",
      "docs/favicon-32x32.png": "image/png",
    });
    expect((await get(world, "/api/redoc/redoc.standalone.js")).headers.get("content-type")).toStartWith(
      "text/javascript",
    );
  });

  test("answer HEAD with the headers alone", async () => {
    using world = await edgeWorld();
    for (const path of ["/api/docs", "/api/redoc", "/api/openapi.json", "/api/docs/swagger-ui.css"]) {
      const [head, full] = [await get(world, path, { method: "HEAD" }), await get(world, path)];
      expect([head.status, await head.text()]).toEqual([200, ""]);
      for (const name of ["content-type", "content-length", "etag"]) {
        expect(head.headers.get(name)).toBe(full.headers.get(name) ?? "");
      }
    }
  });

  test("are not sent again to a browser that has them", async () => {
    using world = await edgeWorld();
    for (const path of ["/api/docs", "/api/docs/swagger-ui-bundle.js", "/api/redoc"]) {
      const first = await get(world, path);
      expect(first.headers.get("cache-control")).toBe("no-cache");
      const again = await get(world, path, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
      expect([again.status, await again.text()]).toEqual([304, ""]);
      const other = await get(world, path, { headers: { "if-none-match": '"other"' } });
      expect(other.status).toBe(200);
    }
  });

  test("are found with a final slash, too, also behind a proxy that speaks https", async () => {
    using world = await edgeWorld();
    const headers = { host: "bartender.example", "x-forwarded-proto": "https" };
    const response = await world.app.request("/api/docs/", { headers }, { peerAddress: "127.0.0.1" });
    expect([response.status, response.headers.get("location")]).toEqual([307, "https://bartender.example/api/docs"]);
  });

  test("serve no other file of the packages", async () => {
    using world = await edgeWorld();
    for (const path of [
      "/api/docs/package.json",
      "/api/docs/..%2fpackage.json",
      "/api/redoc/",
      "/api/docs/index.html",
    ]) {
      expect((await get(world, path)).status).not.toBe(200);
    }
    expect((await get(world, "/api/docs", { method: "POST" })).status).toBe(405);
  });
});

describe("GET /api/applications", () => {
  test("lists what the caller may run, with the schema of its input", async () => {
    using world = await edgeWorld();
    const names = async (roles: readonly string[]) => {
      const response = await get(world, "/api/applications", { headers: world.auth("alice", { roles }) });
      const { applications } = (await response.json()) as {
        readonly applications: readonly { readonly name: string }[];
      };
      return applications.map(({ name }) => name);
    };
    expect(await names([])).toEqual(["wc", "any", "strict"]);
    expect(await names(["root"])).toEqual(["wc", "any", "strict", "shutdown"]);
    const response = await get(world, "/api/applications", { headers: world.auth() });
    expect(await response.json()).toMatchObject({
      applications: [
        { name: "wc", summary: null, description: null, input_schema: null, upload_needs: ["README.md"] },
        {},
        {},
      ],
      interactive_applications: [],
    });
    expect((await get(world, "/api/applications")).status).toBe(403);
  });
});

describe("the probes", () => {
  test("/api/live does not depend on the database, /api/ready does", async () => {
    using world = await edgeWorld();
    expect([(await get(world, "/api/live")).status, (await get(world, "/api/ready")).status]).toEqual([200, 200]);
    world.jobs.fault = new StoreUnavailableError("away");
    expect([(await get(world, "/api/live")).status, (await get(world, "/api/ready")).status]).toEqual([200, 503]);
    expect(await (await get(world, "/api/live")).text()).toBe("null");
  });
});
