import { describe, expect, test } from "bun:test";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { Job, Phase } from "../../src/core/job.ts";
import { type EdgeWorld, edgeWorld } from "../support/edge_world.ts";
import { eventually } from "../support/eventually.ts";
import { progressIn } from "../support/job_builder.ts";
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
    move: (next) => (world.jobs.rows as Map<number, Job>).set(job.id, { ...job, progress: progressIn(next) }),
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

  test("shows new bytes within a quarter of a second, and asks for the job once a second", async () => {
    using world = await edgeWorld();
    const { get, stdout } = logWorld(world, "running", "one\n");
    let asked = 0;
    const ask = world.jobs.get.bind(world.jobs);
    world.jobs.get = (...args) => {
      asked += 1;
      return ask(...args);
    };
    const log = follow(world, await get("?follow=true"));
    await log.until("one\n");
    asked = 0;
    for (let quarter = 0; quarter < 40; quarter++) {
      await eventually("a pause", () => world.clock.pending === 1);
      await world.clock.advance(250);
    }
    expect(asked).toBeGreaterThanOrEqual(9);
    expect(asked).toBeLessThanOrEqual(11);
    await eventually("a pause", () => world.clock.pending === 1);
    appendFileSync(stdout, "two\n");
    await world.clock.advance(250);
    await eventually("the new bytes", () => log.text === "one\ntwo\n");
    await log.reader?.cancel();
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
