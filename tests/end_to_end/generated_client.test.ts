import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import createNewClient from "openapi-fetch";
import createOldClient from "openapi-fetch-0.9";
import { API_TYPES_FILE, generateApiTypes } from "../support/api_types.ts";
import { type DaemonProcess, startDaemon, zipFile } from "../support/daemon_process.ts";
import type { paths } from "../support/web_client_api.ts";
import { WEB_CLIENT_CONFIG } from "../support/web_client_config.ts";
import { useLikeTheWebApplication, type WebClient } from "../support/web_client_flow.ts";

const TIMEOUT_MS = 150_000;

interface World extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  /** As the web application signs them: a number as text, an address, no roles. */
  readonly authorization: string;
  /** Every request that was sent. */
  readonly requests: Request[];
  readonly fetch: (request: Request) => Promise<Response>;
}

async function setup(): Promise<World> {
  const daemon = await startDaemon({ config: WEB_CLIENT_CONFIG });
  const nowS = Math.floor(Date.now() / 1000);
  const claims = { sub: "42", iss: "haddock3-webapp", email: "a@b.c", iat: nowS, exp: nowS + 8 * 3600 };
  const requests: Request[] = [];
  return {
    daemon,
    authorization: `Bearer ${await daemon.token(claims)}`,
    requests,
    fetch(request) {
      requests.push(request);
      return fetch(request);
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Until a job of the user `42` can be followed with the daemon's own helper, its token has to be theirs. */
function asUser({ daemon, authorization }: World): DaemonProcess {
  return {
    ...daemon,
    async until(id, ...states) {
      for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(20)) {
        const response = await daemon.call("GET", `/api/job/${id}`, { headers: { authorization } });
        const job = (await response.json()) as Awaited<ReturnType<DaemonProcess["job"]>>;
        if (states.includes(job.state)) return job;
      }
      throw new Error(`Job ${id} does not become ${states.join(" or ")}`);
    },
  };
}

/** Sends the text of a request as it is. @returns all that comes back until the connection ends */
function sendRaw(url: string, parts: readonly (string | Uint8Array)[]): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => {
      for (const part of parts) socket.write(part);
    });
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}

describe("a client that was generated from the API's description", () => {
  test(
    "is the one that the calls here are checked against (else run: bun tests/support/api_types.ts)",
    async () => {
      await using world = await setup();
      const document = (await (await world.daemon.call("GET", "/api/openapi.json")).json()) as object;
      expect(await generateApiTypes(document)).toBe(readFileSync(API_TYPES_FILE, "utf8"));
    },
    TIMEOUT_MS,
  );

  test(
    "does all that the web application needs with openapi-fetch 0.9.3",
    async () => {
      await using world = await setup();
      const { daemon, authorization } = world;
      const client = createOldClient<paths>({
        baseUrl: daemon.url,
        headers: { Authorization: authorization },
        fetch: world.fetch as typeof fetch,
      });
      // Its types are others, its calls the same.
      await useLikeTheWebApplication(client as unknown as WebClient, asUser(world));
      const withoutBody = world.requests.filter(({ method }) => method === "GET" || method === "DELETE");
      expect(withoutBody.map(({ headers }) => headers.get("content-type"))).not.toContain(null);
      expect(world.requests.some(({ url }) => url.includes("/files/output/analysis/"))).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    "does all that the web application needs with the newest openapi-fetch",
    async () => {
      await using world = await setup();
      const { daemon, authorization } = world;
      const client = createNewClient<paths>({
        baseUrl: daemon.url,
        headers: { Authorization: authorization },
        fetch: world.fetch,
      });
      await useLikeTheWebApplication(client, asUser(world));
      const withoutBody = world.requests.filter(({ method }) => method === "GET" || method === "DELETE");
      expect(withoutBody.map(({ headers }) => headers.get("content-type"))).not.toContain("application/json");
      expect(world.requests.some(({ url }) => url.includes("/files/output%2Fanalysis%2F"))).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    "may upload in chunks, close the connection after it, and leave quotes in a file name as they are",
    async () => {
      await using world = await setup();
      const { daemon, authorization } = world;
      const archive = new Uint8Array(await zipFile({ "workflow.cfg": "true" }).arrayBuffer());
      const head = [
        "PUT /api/application/haddock3 HTTP/1.1",
        `Host: ${new URL(daemon.url).host}`,
        `Authorization: ${authorization}`,
        "Content-Type: multipart/form-data; boundary=----undici",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "",
        "",
      ].join("\r\n");
      const body = [
        '------undici\r\nContent-Disposition: form-data; name="upload"; filename="my "new" run.zip"\r\n' +
          "Content-Type: application/zip\r\n\r\n",
        archive,
        "\r\n------undici--\r\n",
      ];
      const chunks = body.flatMap((part) => {
        const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
        return [`${bytes.length.toString(16)}\r\n`, bytes, "\r\n"];
      });
      const answer = await sendRaw(daemon.url, [head, ...chunks, "0\r\n\r\n"]);
      expect(answer).toStartWith("HTTP/1.1 303 See Other\r\n");
      const id = /^location: \S+\/api\/job\/(\d+)\r$/im.exec(answer)?.[1];
      const job = await daemon.call("GET", `/api/job/${id}`, { headers: { authorization } });
      expect(await job.json()).toMatchObject({ name: 'my "new" run.zip' });
    },
    TIMEOUT_MS,
  );
});
