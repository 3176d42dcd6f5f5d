import { describe, expect, test } from "bun:test";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { StoreUnavailableError, TransferError } from "../../src/core/errors.ts";
import type { Job, Phase } from "../../src/core/job.ts";
import type { RemoteLog } from "../../src/ports/job_service.ts";
import { type EdgeWorld, edgeWorld } from "../support/edge_world.ts";
import { eventually } from "../support/eventually.ts";
import { allClosed, openFilesBelow } from "../support/open_files.ts";
import { plantTree } from "../support/planted_tree.ts";

interface LogWorld {
  readonly job: Job;
  readonly stdout: string;
  get(query: string, stream?: string): Promise<Response>;
  /** Lets the job be in another phase from now on. */
  move(phase: Phase): void;
}

function logWorld(world: EdgeWorld, phase: Phase, content?: string): LogWorld {
  const job = world.jobs.plant({ phase });
  const stdout = join(world.jobs.directory(job), "stdout.txt");
  if (content !== undefined) writeFileSync(stdout, content);
  return {
    job,
    stdout,
    async get(query, stream = "stdout") {
      const url = `http://localhost/api/job/${job.id}/${stream}${query}`;
      return await world.app.fetch(new Request(url, { headers: world.auth() }));
    },
    move: (next) => world.jobs.move(job.id, next),
  };
}

/** Reads a stream piece by piece while the test moves the clock. */
function follow(world: EdgeWorld, response: Response) {
  const reader = response.body?.getReader();
  let text = "";
  let isDone = false;
  const reading = (async () => {
    for (;;) {
      const next = await reader?.read();
      if (next === undefined || next.done) break;
      text += new TextDecoder().decode(next.value);
    }
    isDone = true;
  })();
  const pass = async (condition: () => boolean): Promise<void> => {
    await eventually("the log to move on", async () => {
      if (condition()) return true;
      await world.clock.advance(50);
      return false;
    });
  };
  return {
    reader,
    reading,
    get text() {
      return text;
    },
    until: (expected: string) => pass(() => text === expected),
    pass,
    untilDone: () => pass(() => isDone),
    isDone: () => isDone,
  };
}

describe("?tail=N", () => {
  const LINES = Array.from({ length: 30 }, (_, n) => `line ${n}\n`);

  test.each([
    [LINES.join(""), 1, "line 29\n"],
    [LINES.join(""), 3, "line 27\nline 28\nline 29\n"],
    [LINES.join(""), 30, LINES.join("")],
    [LINES.join(""), 10_000, LINES.join("")],
    ["a\nb\nno newline", 2, "b\nno newline"],
    ["\n\n\n", 2, "\n\n"],
    ["one", 1, "one"],
    ["", 5, ""],
    [`${"x".repeat(200_000)}\n${"y".repeat(200_000)}\nz\n`, 2, `${"y".repeat(200_000)}\nz\n`],
    [`${"y\n".repeat(400_000)}`, 10_000, "y\n".repeat(10_000)],
    [`${"y\n".repeat(20_000)}`, 99_999, "y\n".repeat(10_000)],
  ])("gives the last lines of %#", async (content, lines, expected) => {
    using world = await edgeWorld();
    for (const phase of ["running", "finished"] as const) {
      const { get } = logWorld(world, phase, content);
      const response = await get(`?tail=${lines}`);
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
      expect(await response.text()).toBe(expected);
    }
    await allClosed(world.jobs.jobRootDir);
  });

  test("gives nothing while a job has no log, and 404 when it never will", async () => {
    using world = await edgeWorld();
    const waiting = await logWorld(world, "waiting").get("?tail=5", "stderr");
    expect([waiting.status, await waiting.text()]).toEqual([200, ""]);
    expect((await logWorld(world, "finished").get("?tail=5")).status).toBe(404);
  });

  test.each(["0", "-1", "x", ""])("=%s is refused with a list error", async (tail) => {
    using world = await edgeWorld();
    const response = await logWorld(world, "running", "x").get(`?tail=${tail}`);
    const { detail } = (await response.json()) as { detail: readonly { loc: readonly string[] }[] };
    expect([response.status, detail.map(({ loc }) => loc)]).toEqual([422, [["query", "tail"]]]);
  });
});

describe("?follow=true", () => {
  test("gives what is there, what comes, and ends with the job", async () => {
    using world = await edgeWorld();
    const { get, move, stdout } = logWorld(world, "running", "one\n");
    const response = await get("?follow=true");
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    const log = follow(world, response);
    await log.until("one\n");
    appendFileSync(stdout, "two\n");
    await log.until("one\ntwo\n");
    await world.clock.advance(10_000);
    expect(log.isDone()).toBe(false);
    appendFileSync(stdout, "three");
    move("finished");
    await log.untilDone();
    expect(log.text).toBe("one\ntwo\nthree");
    expect(world.clock.pending).toBe(0);
    await allClosed(world.jobs.jobRootDir);
  });

  test("shows new bytes within a quarter of a second, and asks for the job only when it has moved on", async () => {
    using world = await edgeWorld();
    const { get, move, stdout } = logWorld(world, "waiting", "one\n");
    let asked = 0;
    const ask = world.jobs.get.bind(world.jobs);
    world.jobs.get = (...args) => {
      asked += 1;
      return ask(...args);
    };
    const log = follow(world, await get("?follow=true"));
    await log.until("one\n");
    await eventually("a pause", () => world.clock.pending === 1);
    asked = 0;
    for (let quarter = 0; quarter < 40; quarter++) {
      await eventually("a pause", () => world.clock.pending === 1);
      await world.clock.advance(250);
    }
    expect(asked).toBe(0);
    move("running");
    await eventually("a question", () => asked === 1);
    await eventually("a pause", () => world.clock.pending === 1);
    appendFileSync(stdout, "two\n");
    await world.clock.advance(250);
    await eventually("the new bytes", () => log.text === "one\ntwo\n");
    expect(asked).toBe(1);
    await log.reader?.cancel();
    await eventually("nobody who watches", () => world.jobs.watchers === 0);
  });

  test.each(["gzip", "br, gzip;q=0.5", "GZIP"])("in the coding %s begins before there is a log", async (accepted) => {
    using world = await edgeWorld();
    const { job, move, stdout } = logWorld(world, "waiting");
    const headers = { ...world.auth(), "accept-encoding": accepted };
    const response = await world.app.request(`/api/job/${job.id}/stdout?follow=true&keep_alive=true`, { headers });
    expect([response.headers.get("content-encoding"), response.headers.get("vary")]).toEqual([
      "gzip",
      "accept-encoding",
    ]);
    const reader = response.body?.getReader();
    const begun = (await reader?.read())?.value ?? new Uint8Array();
    expect(begun.length).toBe(10);
    const coded = [begun];
    const reading = (async () => {
      for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
        coded.push(next.value);
      }
    })();
    for (let second = 0; second < 31; second++) {
      await eventually("a pause", () => world.clock.pending === 1);
      await world.clock.advance(1_000);
    }
    // Two signs of life in half a minute of silence.
    expect(coded.length).toBe(3);
    writeFileSync(stdout, "here\n");
    move("finished");
    await reading;
    expect(gunzipSync(Buffer.concat(coded)).toString()).toBe("here\n");
    expect([world.jobs.watchers, world.clock.pending]).toEqual([0, 0]);
  });

  test.each([
    ["nothing", undefined, "&keep_alive=true"],
    ["identity", "identity", "&keep_alive=1"],
    ["no gzip", "gzip;q=0", "&keep_alive=true"],
    ["another coding", "br", "&keep_alive=true"],
    ["anything", "*", "&keep_alive=true"],
    ["gzip, but has not asked for it", "gzip", ""],
    ["gzip, but does not want it", "gzip", "&keep_alive=false"],
  ])("is sent as it is to who accepts %s", async (_what, accepted, query) => {
    using world = await edgeWorld();
    const { job, move } = logWorld(world, "running", "one\n");
    const headers = { ...world.auth(), ...(accepted === undefined ? {} : { "accept-encoding": accepted }) };
    const response = await world.app.request(`/api/job/${job.id}/stdout?follow=true${query}`, { headers });
    expect(response.headers.get("content-encoding")).toBeNull();
    const log = follow(world, response);
    await log.until("one\n");
    move("finished");
    await log.untilDone();
    expect(log.text).toBe("one\n");
  });

  test("is answered at once although the job prints nothing, to clients that take a coding", async () => {
    using world = await edgeWorld();
    const { job } = logWorld(world, "running", "");
    const server = world.serve();
    const url = `${server.url}/api/job/${job.id}/stdout?follow=true&keep_alive=true`;
    const response = await fetch(url, { headers: world.auth() });
    expect(response.status).toBe(200);
    await response.body?.cancel();
    await eventually("nobody who watches", () => world.jobs.watchers === 0);
    await server.stop();
  });

  test("breaks off when the daemon stops, so that nobody takes the part for the whole", async () => {
    using world = await edgeWorld();
    const { job, stdout } = logWorld(world, "running", "one\n");
    const server = world.serve();
    const response = await fetch(`${server.url}/api/job/${job.id}/stdout?follow=true`, { headers: world.auth() });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("one\n");
    world.stopStreams();
    const rest = (async () => {
      while (!(await reader?.read())?.done);
    })();
    await expect(rest).rejects.toThrow();
    await allClosed(stdout);
    expect([world.jobs.watchers, world.clock.pending]).toEqual([0, 0]);
    await server.stop();
  });

  test("waits for a log that is not there yet", async () => {
    using world = await edgeWorld();
    const { get, move, stdout } = logWorld(world, "waiting");
    const log = follow(world, await get("?follow=1"));
    await world.clock.advance(5_000);
    expect([log.text, log.isDone()]).toEqual(["", false]);
    writeFileSync(stdout, "here\n");
    await log.until("here\n");
    move("finished");
    await log.untilDone();
  });

  test("reads on in the file that was copied back when the job ended", async () => {
    using world = await edgeWorld();
    const { get, move, stdout } = logWorld(world, "running", "one\n");
    const log = follow(world, await get("?follow=true"));
    await log.until("one\n");
    writeFileSync(`${stdout}.new`, "one\ntwo\n");
    renameSync(`${stdout}.new`, stdout);
    move("finished");
    await log.untilDone();
    expect(log.text).toBe("one\ntwo\n");
  });

  test("begins at the last lines when tail is given, too", async () => {
    using world = await edgeWorld();
    const { get, move, stdout } = logWorld(world, "running", "one\ntwo\nthree\n");
    const log = follow(world, await get("?follow=true&tail=1"));
    await log.until("three\n");
    appendFileSync(stdout, "four\n");
    move("finished");
    await log.untilDone();
    expect(log.text).toBe("three\nfour\n");
  });

  test("ends when the job is deleted", async () => {
    using world = await edgeWorld();
    const { get, job } = logWorld(world, "running", "one\n");
    const log = follow(world, await get("?follow=true"));
    await log.until("one\n");
    await world.jobs.remove(job.id, "alice");
    await log.untilDone();
    expect(log.text).toBe("one\n");
  });

  test("goes on while the job store cannot be reached", async () => {
    using world = await edgeWorld();
    const { get, move, stdout } = logWorld(world, "running", "one\n");
    const log = follow(world, await get("?follow=true"));
    await log.until("one\n");
    world.jobs.fault = new StoreUnavailableError("Gone");
    await world.clock.advance(5_000);
    appendFileSync(stdout, "two\n");
    await log.until("one\ntwo\n");
    world.jobs.fault = undefined;
    move("finished");
    await log.untilDone();
  });

  test("gives the whole log of a completed job, with its length", async () => {
    using world = await edgeWorld();
    const response = await logWorld(world, "finished", "all\n").get("?follow=true");
    expect([response.headers.get("content-length"), await response.text()]).toEqual(["4", "all\n"]);
  });

  test("leaves nothing behind when the client leaves", async () => {
    using world = await edgeWorld();
    const { job, stdout } = logWorld(world, "running", "one\n");
    const server = world.serve();
    const abort = new AbortController();
    const url = `${server.url}/api/job/${job.id}/stdout?follow=true`;
    const response = await fetch(url, { headers: world.auth(), signal: abort.signal });
    const { value } = (await response.body?.getReader().read()) ?? {};
    expect(new TextDecoder().decode(value)).toBe("one\n");
    await eventually("a pause", () => world.clock.pending === 1);
    expect(openFilesBelow(stdout)).toBe(1);
    abort.abort();
    await eventually("no pause", () => world.clock.pending === 0);
    await allClosed(stdout);
    await server.stop();
  });

  test("sees through no link that leaves the job", async () => {
    using world = await edgeWorld();
    const { get, stdout, move } = logWorld(world, "running", "one\n");
    plantTree(world.jobs.uploadDir, { "secret.txt": "secret" });
    rmSync(stdout);
    plantTree(join(stdout, ".."), { "stdout.txt": { link: join(world.jobs.uploadDir, "secret.txt") } });
    const log = follow(world, await get("?follow=true"));
    await world.clock.advance(2_000);
    move("finished");
    await log.untilDone();
    expect(log.text).toBe("");
  });

  test.each(["?follow=false", "?follow=0", "", "?follow=no"])("with %p a running job is 425", async (query) => {
    using world = await edgeWorld();
    const response = await logWorld(world, "running", "x").get(query);
    expect([response.status, await response.json()]).toEqual([425, { detail: "Job has not completed" }]);
  });

  test("=maybe is refused with a list error", async () => {
    using world = await edgeWorld();
    const response = await logWorld(world, "running", "x").get("?follow=maybe");
    expect(response.status).toBe(422);
    expect(await response.json()).toEqual({
      detail: [{ loc: ["query", "follow"], msg: "value could not be parsed to a boolean", type: "type_error.bool" }],
    });
  });
});

describe("the log of a job that runs elsewhere", () => {
  /** A log on another host that a test writes, and may make unreachable. */
  function remoteLog() {
    const state = { text: "", isAway: false, reads: 0 };
    const log: RemoteLog = {
      async read(_name, fromByte, maxBytes) {
        state.reads += 1;
        if (state.isAway) throw new TransferError("No route to host", { retryable: true });
        const bytes = Buffer.from(state.text);
        const start = fromByte < 0 ? Math.max(0, bytes.length + fromByte) : fromByte;
        return { start, bytes: bytes.subarray(start, start + maxBytes) };
      },
    };
    return { state, log };
  }

  test("shows its last lines", async () => {
    using world = await edgeWorld();
    const t = logWorld(world, "running");
    const { state, log } = remoteLog();
    world.jobs.remoteLogs.set(t.job.id, log);
    state.text = "one\ntwo\nthree\n";
    expect(await (await t.get("?tail=2")).text()).toBe("two\nthree\n");
    expect(await (await t.get("?tail=9")).text()).toBe("one\ntwo\nthree\n");
    state.text = "one\ntwo";
    expect(await (await t.get("?tail=1")).text()).toBe("two");
  });

  test("is 503 while the host is away, as nobody knows what it holds", async () => {
    using world = await edgeWorld();
    const t = logWorld(world, "running");
    const { state, log } = remoteLog();
    world.jobs.remoteLogs.set(t.job.id, log);
    state.isAway = true;
    const response = await t.get("?tail=2");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      detail: "The destination of the job does not answer: No route to host",
    });
  });

  test("is followed through an absence of the host to its end in the job's own directory", async () => {
    using world = await edgeWorld();
    const t = logWorld(world, "running");
    const { state, log } = remoteLog();
    world.jobs.remoteLogs.set(t.job.id, log);
    state.text = "one\n";
    const followed = follow(world, await t.get("?follow=true"));
    await followed.pass(() => followed.text === "one\n");
    state.isAway = true;
    const { reads } = state;
    await followed.pass(() => state.reads > reads + 1);
    state.isAway = false;
    state.text += "two\n";
    await followed.pass(() => followed.text === "one\ntwo\n");
    world.jobs.remoteLogs.delete(t.job.id);
    writeFileSync(t.stdout, "one\ntwo\nthree\n");
    t.move("finished");
    await followed.untilDone();
    expect(followed.text).toBe("one\ntwo\nthree\n");
  });

  test("is looked at every two seconds at most", async () => {
    using world = await edgeWorld();
    const t = logWorld(world, "running");
    const { state, log } = remoteLog();
    world.jobs.remoteLogs.set(t.job.id, log);
    state.text = "one\n";
    const followed = follow(world, await t.get("?follow=true"));
    await followed.pass(() => followed.text === "one\n");
    const { reads } = state;
    for (let passedMs = 0; passedMs < 10_000; passedMs += 50) {
      await world.clock.advance(50);
      // For what is under way.
      await Bun.sleep(1);
    }
    expect(state.reads - reads).toBeWithin(1, 7);
    await followed.reader?.cancel();
  });
});
