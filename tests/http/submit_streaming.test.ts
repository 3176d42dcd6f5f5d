import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { EdgeDeps } from "../../src/http/edge.ts";
import { BODY_PATIENCE_MS } from "../../src/http/request_body.ts";
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import { edgeWorld, readmeZip } from "../support/edge_world.ts";
import { eventually } from "../support/eventually.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { buildZip } from "../support/zip_builder.ts";

/** The edge behind a real server; `answered` resolves with the log line of the next request that ends. */
async function setup(changes: Partial<EdgeDeps> = {}) {
  const ended = Promise.withResolvers<LogFields>();
  const recording = recordingLogger();
  const logger: Logger = {
    ...recording,
    info(message, fields = {}) {
      recording.info(message, fields);
      ended.resolve(fields);
    },
  };
  const world = await edgeWorld({ logger, ...changes });
  const server = world.serve();
  return {
    world,
    server,
    answered: ended.promise,
    errors: () => recording.lines.filter(({ level }) => level === "error"),
    async [Symbol.asyncDispose]() {
      await server.stop();
      world[Symbol.dispose]();
    },
  };
}

function requestHead(headers: Readonly<Record<string, string>>, application = "any"): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `PUT /api/application/${application} HTTP/1.1\r\nHost: lab.example\r\n${lines.join("")}\r\n`;
}

const MULTIPART = { "Content-Type": "multipart/form-data; boundary=b" };

function multipart(archive: Uint8Array, fileName = "in.zip"): Buffer {
  const header = `Content-Disposition: form-data; name="upload"; filename="${fileName}"\r\nContent-Type: application/zip`;
  return Buffer.concat([Buffer.from(`--b\r\n${header}\r\n\r\n`), archive, Buffer.from("\r\n--b--\r\n")]);
}

function chunked(body: Buffer, size: number): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    chunks.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  return Buffer.concat([...chunks, Buffer.from("0\r\n\r\n")]);
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

/** What the server sends until it closes the connection or an answer with a body is complete. */
async function answerOn(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) {
    text += String(chunk);
    const [, length] = /content-length: (\d+)/i.exec(text) ?? [];
    const bodyStart = text.indexOf("\r\n\r\n") + 4;
    if (length !== undefined && bodyStart > 3 && text.length >= bodyStart + Number(length)) break;
  }
  return text;
}

/** Bytes that do not compress, the same in every run. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 42;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

describe("an upload over the network", () => {
  test("may be chunked, without a length, on a connection that is closed, with raw quotes in its name", async () => {
    await using edge = await setup();
    const content = noise(2_000_000);
    const archive = buildZip([{ name: "noise", content }]);
    const socket = await open(edge.server.port);
    const { authorization } = edge.world.auth();
    socket.write(requestHead({ authorization, ...MULTIPART, "Transfer-Encoding": "chunked", Connection: "close" }));
    socket.write(chunked(multipart(archive, 'my "best" run.zip'), 30_011));
    const answer = await answerOn(socket);
    expect(answer).toStartWith("HTTP/1.1 303 ");
    expect(answer).toMatch(/^location: http:\/\/lab\.example\/api\/job\/1\r$/im);
    expect(answer).toMatch(/^content-length: 0\r$/im);
    expect(edge.world.jobs.submitted[0]?.name).toBe('my "best" run.zip');
    expect(readFileSync(join(edge.world.jobs.jobRootDir, "1", "noise")).equals(content)).toBe(true);
    expect(edge.world.leftovers()).toEqual(["1", "1/noise"]);
  });

  test.each([100, 400_000, 3_000_000])("that breaks off after %d bytes leaves nothing behind", async (sent) => {
    await using edge = await setup();
    const body = multipart(buildZip([{ name: "noise", content: noise(4_000_000) }]));
    const socket = await open(edge.server.port);
    const { authorization } = edge.world.auth();
    socket.write(requestHead({ authorization, ...MULTIPART, "Content-Length": String(body.length) }));
    await new Promise((resolve) => socket.write(body.subarray(0, sent), resolve));
    socket.destroy();
    expect(await edge.answered).toMatchObject({ status: 400 });
    expect(edge.world.leftovers()).toEqual([]);
    expect(edge.world.jobs.rows.size).toBe(0);
    expect(edge.errors()).toEqual([]);
  });

  test("that does not go on is refused after two minutes, with its connection, and leaves nothing behind", async () => {
    await using edge = await setup();
    const body = multipart(buildZip([{ name: "noise", content: noise(4_000_000) }]));
    const socket = await open(edge.server.port);
    const { authorization } = edge.world.auth();
    socket.write(requestHead({ authorization, ...MULTIPART, "Content-Length": String(body.length) }));
    socket.write(body.subarray(0, 400_000));
    let isAnswered = false;
    void edge.answered.then(() => {
      isAnswered = true;
    });
    await eventually("the end of our patience", async () => {
      await edge.world.clock.advance(BODY_PATIENCE_MS);
      return isAnswered;
    });
    let answer = "";
    // Until the server closes the connection.
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*\{"detail":"The request body came too slowly: [^"]+"\}$/);
    expect(edge.world.leftovers()).toEqual([]);
    expect(edge.errors()).toEqual([]);
  });

  test("that is refused at once is answered even to a client that sends all of it first", async () => {
    await using edge = await setup();
    const body = multipart(noise(20_000_000));
    for (const [headers, status] of [
      [{}, 403],
      [edge.world.auth(), 422],
    ] as const) {
      const socket = await open(edge.server.port);
      const head = requestHead({ ...headers, ...MULTIPART, "Content-Length": String(body.length) }, "nope");
      socket.write(head);
      await new Promise<void>((resolve, reject) => socket.write(body, (error) => (error ? reject(error) : resolve())));
      expect(await answerOn(socket)).toStartWith(`HTTP/1.1 ${status} `);
      socket.destroy();
    }
    expect(edge.world.leftovers()).toEqual([]);
  });

  test("that is too large by its length is refused before anything of it is sent", async () => {
    await using edge = await setup();
    const socket = await open(edge.server.port);
    const { authorization } = edge.world.auth();
    socket.write(requestHead({ authorization, ...MULTIPART, "Content-Length": "99999999999" }));
    expect(await answerOn(socket)).toMatch(
      /^HTTP\/1\.1 413 [\s\S]*\{"detail":"Upload is larger than 10000000 bytes"\}$/,
    );
    socket.destroy();
  });

  test("without an end is refused at the limit, and nothing of it is kept", async () => {
    await using edge = await setup();
    let sent = 0;
    const piece = noise(100_000);
    const body = new ReadableStream({
      start: (controller) =>
        controller.enqueue(
          Buffer.from(
            '--b\r\nContent-Disposition: form-data; name="upload"; filename="x"\r\nContent-Type: application/zip\r\n\r\n',
          ),
        ),
      pull(controller) {
        sent += piece.length;
        controller.enqueue(piece);
      },
    });
    const headers = { ...edge.world.auth(), ...MULTIPART };
    const answer = await fetch(`${edge.server.url}/api/application/any`, { method: "PUT", headers, body });
    expect([answer.status, await answer.text()]).toEqual([413, '{"detail":"Upload is larger than 10000000 bytes"}']);
    expect(sent).toBeGreaterThan(9_900_000);
    expect(edge.world.leftovers()).toEqual([]);
  });

  test("is one of many at a time, each with its own files", async () => {
    await using edge = await setup();
    const { url } = edge.server;
    const submissions = Array.from({ length: 20 }, async (_, at) => {
      const archive = at % 2 === 0 ? readmeZip() : buildZip([{ name: "README.md", content: noise(500_000 + at) }]);
      const answer = await fetch(`${url}/api/application/wc`, {
        method: "PUT",
        headers: { ...edge.world.auth(`user ${at}`), ...MULTIPART },
        body: Uint8Array.from(multipart(archive)),
        redirect: "manual",
      });
      return answer.status;
    });
    expect(new Set(await Promise.all(submissions))).toEqual(new Set([303]));
    for (const job of edge.world.jobs.rows.values()) {
      const at = Number(job.submitter.slice("user ".length));
      const { length } = readFileSync(join(edge.world.jobs.jobRootDir, String(job.id), "README.md"));
      expect(length).toBe(at % 2 === 0 ? "one two three\n".length : 500_000 + at);
    }
    expect(edge.world.jobs.rows.size).toBe(20);
  });
});
