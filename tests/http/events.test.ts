import { describe, expect, test } from "bun:test";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { Job, Phase } from "../../src/core/job.ts";
import { HEARTBEAT_MS, RECONNECT_MS } from "../../src/http/event_stream.ts";
import { serveHttp } from "../../src/runtime/serve.ts";
import { type EdgeWorld, edgeWorld } from "../support/edge_world.ts";
import { readEvents } from "../support/event_reader.ts";
import { eventually } from "../support/eventually.ts";
import { FAILED, progressIn, SUCCEEDED } from "../support/job_builder.ts";

interface Asked {
  readonly lastEventId?: string;
  readonly query?: string;
  readonly user?: string;
  readonly method?: string;
}

async function ask(world: EdgeWorld, job: Pick<Job, "id">, asked: Asked = {}): Promise<Response> {
  const headers = new Headers(world.auth(asked.user));
  if (asked.lastEventId !== undefined) headers.set("last-event-id", asked.lastEventId);
  const url = `http://localhost/api/job/${job.id}/events${asked.query ?? ""}`;
  return await world.app.fetch(new Request(url, { method: asked.method ?? "GET", headers }));
}

const read = async (world: EdgeWorld, job: Pick<Job, "id">, asked?: Asked) => readEvents(await ask(world, job, asked));

/** A job that went through `phases`; the first is version 1. */
function plantHistory(world: EdgeWorld, [first = "accepted", ...then]: readonly Phase[]): Job {
  let job = world.jobs.plant({ phase: first });
  for (const phase of then) job = world.jobs.move(job.id, phase);
  return job;
}

const phasesOf = ({ events }: { readonly events: readonly { readonly data: Readonly<Record<string, unknown>> }[] }) =>
  events.map(({ data }) => data.phase);

describe("the events of a job", () => {
  test("begin with its current state, and tell every step until its end", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["accepted", "waiting"]);
    const response = await ask(world, job);
    expect([response.status, Object.fromEntries(response.headers)]).toEqual([
      200,
      {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "x-request-id": "request-1",
      },
    ]);
    const seen = readEvents(response);
    await seen.until(1);
    for (const phase of ["submitting", "running", "finished"] as const) {
      await world.clock.advance(1_500);
      world.jobs.move(job.id, phase, { attempt: 1 });
      await eventually("the step", () => phasesOf(seen).at(-1) === phase);
    }
    await seen.untilEnd();
    expect(seen.retryMs).toBe(RECONNECT_MS);
    const step = (version: number, state: string, phase: string, second: string, more: object = {}) => ({
      id: String(version),
      type: "state",
      data: { version, on: `2022-01-01T00:00:${second}+00:00`, state, phase, attempt: 1, reason: null, ...more },
    });
    expect(seen.events).toEqual([
      step(2, "queued", "waiting", "00", { attempt: 0 }),
      step(3, "queued", "submitting", "01.500"),
      step(4, "running", "running", "03"),
      step(5, "ok", "finished", "04.500", { returncode: 0 }),
    ]);
    expect([world.jobs.watchers, world.clock.pending]).toEqual([0, 0]);
  });

  test("tell why and with which return code a job failed, the latter when there is one", async () => {
    using world = await edgeWorld();
    for (const [outcome, more] of [
      [FAILED, { reason: null, returncode: 7 }],
      [{ isOk: false, returnCode: null, reason: 'Cancelled by "alice"\n' }, { reason: 'Cancelled by "alice"\n' }],
    ] as const) {
      const job = plantHistory(world, ["running"]);
      const seen = await read(world, job);
      const progress = { ...progressIn("finished"), outcome } as Job["progress"];
      world.jobs.move(job.id, "finished", { progress });
      await seen.untilEnd();
      const { data } = seen.events.at(-1) ?? {};
      const { version, on, state, phase, attempt, ...rest } = data as Record<string, unknown>;
      expect({ version, state, phase, rest }).toEqual({ version: 2, state: "error", phase: "finished", rest: more });
    }
  });

  test("send something at once and every 15 s, so that nobody takes the connection for dead", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["running"]);
    const seen = await read(world, job, { lastEventId: "1" });
    await eventually("a first sign", () => seen.comments === 1 && world.clock.pending === 1);
    await world.clock.advance(HEARTBEAT_MS - 1);
    expect([seen.comments, HEARTBEAT_MS]).toEqual([1, 15_000]);
    for (const count of [2, 3, 4]) {
      await world.clock.advance(count === 2 ? 1 : HEARTBEAT_MS);
      await eventually("a heartbeat", () => seen.comments === count && world.clock.pending === 1);
    }
    expect([seen.events, seen.end]).toEqual([[], undefined]);
    world.jobs.move(job.id, "finished");
    await seen.untilEnd();
    expect(phasesOf(seen)).toEqual(["finished"]);
  });

  test("of a finished job are its end, then nothing: 204 ends a client's attempts to reconnect", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["accepted", "running", "finished"]);
    const seen = await read(world, job);
    await seen.untilEnd();
    expect(seen.events.map(({ id, data }) => [id, data.state])).toEqual([["3", "ok"]]);
    const again = await ask(world, job, { lastEventId: seen.events.at(-1)?.id ?? "" });
    expect([again.status, await again.text()]).toEqual([204, ""]);
    expect([world.jobs.watchers, world.clock.pending]).toEqual([0, 0]);
  });

  test("end with an event of their own when the job is deleted", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["running"]);
    const seen = await read(world, job);
    await seen.until(1);
    await world.jobs.remove(job.id, "alice");
    await seen.untilEnd();
    expect(seen.events.at(-1)).toEqual({ id: undefined, type: "deleted", data: { id: job.id } });
    expect((await ask(world, job, { lastEventId: "1" })).status).toBe(404);
  });

  test("are told to all who follow it, each once", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["accepted"]);
    const all = await Promise.all(Array.from({ length: 20 }, () => read(world, job)));
    for (const seen of all) await seen.until(1);
    expect(world.jobs.watchers).toBe(20);
    for (const phase of ["waiting", "running", "finished"] as const) world.jobs.move(job.id, phase);
    for (const seen of all) await seen.untilEnd();
    for (const seen of all) expect(phasesOf(seen)).toEqual(["accepted", "waiting", "running", "finished"]);
    expect(world.jobs.watchers).toBe(0);
  });
});

describe("a client that connects again", () => {
  const PHASES: readonly Phase[] = ["accepted", "waiting", "submitting", "queued", "running"];

  test.each([
    ["0", PHASES],
    ["1", PHASES.slice(1)],
    ["4", PHASES.slice(4)],
    ["5", []],
    ["99", []],
  ])("with Last-Event-ID %s gets what came after it: %p", async (lastEventId, phases) => {
    using world = await edgeWorld();
    const job = plantHistory(world, PHASES);
    for (const asked of [
      { lastEventId },
      { query: `?last_event_id=${lastEventId}` },
      { lastEventId, query: "?last_event_id=3" },
    ]) {
      const seen = await read(world, job, asked);
      await seen.until(phases.length);
      await eventually("a pause", () => world.clock.pending > 0);
      expect(phasesOf(seen)).toEqual([...phases]);
      await seen.leave();
    }
    world.jobs.move(job.id, "finished");
    const late = await read(world, job, { lastEventId });
    await late.untilEnd();
    expect(phasesOf(late)).toEqual(lastEventId === "99" ? [] : [...phases, "finished"]);
  });

  test("without a number, as before the first event, gets the current state", async () => {
    using world = await edgeWorld();
    const seen = await read(world, plantHistory(world, PHASES), { lastEventId: "" });
    await seen.until(1);
    expect(phasesOf(seen)).toEqual(["running"]);
    await seen.leave();
  });

  test.each(["x", "-1", "1.5"])("with %s is refused with a list error", async (id) => {
    using world = await edgeWorld();
    const job = plantHistory(world, PHASES);
    for (const [asked, loc] of [
      [{ lastEventId: id }, ["header", "last-event-id"]],
      [{ query: `?last_event_id=${id}` }, ["query", "last_event_id"]],
    ] as const) {
      const response = await ask(world, job, asked);
      const { detail } = (await response.json()) as { detail: readonly { loc: unknown }[] };
      expect([response.status, detail.map((fault) => fault.loc)]).toEqual([422, [[...loc]]]);
    }
    expect(world.jobs.watchers).toBe(0);
  });
});

describe("an event stream", () => {
  test("is refused to others as if there were no job, and without a token", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["running"]);
    expect((await ask(world, job, { user: "bob" })).status).toBe(404);
    expect((await world.app.request(`/api/job/${job.id}/events`)).status).toBe(403);
    const token = world.tokens.token("alice", world.clock.nowMs());
    const byQuery = await world.app.request(`/api/job/${job.id}/events?token=${token}`);
    expect(byQuery.status).toBe(200);
    await byQuery.body?.cancel();
  });

  test("answers HEAD with the headers alone", async () => {
    using world = await edgeWorld();
    const response = await ask(world, plantHistory(world, ["running"]), { method: "HEAD" });
    expect([response.status, response.headers.get("content-type"), response.body]).toEqual([
      200,
      "text/event-stream",
      null,
    ]);
    expect(world.jobs.watchers).toBe(0);
  });

  test("goes on while the job store cannot be reached, and misses nothing", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["queued"]);
    const seen = await read(world, job);
    await seen.until(1);
    world.jobs.fault = new StoreUnavailableError("Gone");
    world.jobs.move(job.id, "running");
    await eventually("a complaint", () => world.logger.lines.some(({ level }) => level === "warn"));
    await eventually("a pause", () => world.clock.pending === 1);
    world.jobs.move(job.id, "finished", { progress: progressIn("finished") });
    await eventually("another pause", async () => {
      await world.clock.advance(100);
      return world.clock.pending === 1;
    });
    world.jobs.fault = undefined;
    await eventually("the end", async () => {
      await world.clock.advance(100);
      return seen.end === null;
    });
    expect(phasesOf(seen)).toEqual(["queued", "running", "finished"]);
  });

  test("breaks off at an unexpected fault, which is logged", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["queued"]);
    const seen = await read(world, job);
    await seen.until(1);
    world.jobs.fault = new Error("planted fault");
    world.jobs.move(job.id, "running");
    await eventually("the end", () => seen.end !== undefined);
    expect(seen.end).toEqual(new Error("planted fault"));
    expect(world.logger.lines.filter(({ level }) => level === "error").map(({ message }) => message)).toEqual([
      "A stream could not go on",
    ]);
    expect([world.jobs.watchers, world.clock.pending]).toEqual([0, 0]);
  });

  test("ends well when the daemon stops, also one that comes just then", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["running"]);
    const seen = await read(world, job);
    await seen.until(1);
    await eventually("a pause", () => world.clock.pending === 1);
    world.stopStreams();
    await seen.untilEnd();
    const late = await read(world, job);
    await late.untilEnd();
    expect(phasesOf(late)).toEqual(["running"]);
    expect([world.jobs.watchers, world.clock.pending]).toEqual([0, 0]);
  });

  test("lets a slow client cost no memory: what happened meanwhile is read when it takes more", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["accepted"]);
    let reads = 0;
    const history = world.jobs.history.bind(world.jobs);
    world.jobs.history = (...args) => {
      reads += 1;
      return history(...args);
    };
    const response = await ask(world, job);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.read();
    for (let n = 0; n < 1_000; n++) world.jobs.move(job.id, "waiting");
    await world.clock.advance(60_000);
    expect(reads).toBe(1);
    const rest = new TextDecoder().decode((await reader?.read())?.value);
    expect([reads, rest.match(/^event: state$/gm)?.length]).toEqual([2, 1_000]);
    await reader?.cancel();
    await eventually("nobody who watches", () => world.jobs.watchers === 0);
  });

  test("that nobody reads is given up after two minutes", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["accepted"]);
    const reader = (await ask(world, job)).body?.getReader();
    await reader?.read();
    await world.clock.advance(119_999);
    expect(world.jobs.watchers).toBe(1);
    await world.clock.advance(1);
    await expect((async () => await reader?.read())()).rejects.toThrow("The client took nothing");
    await eventually("nobody who watches", () => world.jobs.watchers === 0);
    expect(world.clock.pending).toBe(0);
  });
});

describe("over a real connection", () => {
  test("the headers come at once, and a client that leaves leaves nothing behind", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["running"]);
    const server = world.serve();
    const abort = new AbortController();
    const url = `${server.url}/api/job/${job.id}/events`;
    const headers = { ...world.auth(), "last-event-id": "1" };
    const all = await Promise.all(
      Array.from({ length: 10 }, () => fetch(url, { headers, signal: abort.signal }).then(readEvents)),
    );
    for (const seen of all) await eventually("a first sign", () => seen.comments === 1);
    await eventually("a pause", () => world.clock.pending === 10);
    expect(world.jobs.watchers).toBe(10);
    abort.abort();
    await eventually("nobody who watches", () => world.jobs.watchers === 0 && world.clock.pending === 0);
    await server.stop();
  });

  test("a client that leaves before it is answered leaves nothing behind", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["running"]);
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    let connection: AbortSignal | undefined;
    let watched = 0;
    const watch = world.jobs.watch.bind(world.jobs);
    world.jobs.watch = (...args) => {
      watched += 1;
      return watch(...args);
    };
    const server = serveHttp({ hostname: "127.0.0.1", port: 0 }, async (request, about) => {
      connection = request.signal;
      await gate;
      return world.app.fetch(request, about);
    });
    const abort = new AbortController();
    const url = `http://127.0.0.1:${server.port}/api/job/${job.id}/events`;
    const request = fetch(url, { headers: world.auth(), signal: abort.signal });
    await eventually("the request", () => connection !== undefined);
    abort.abort();
    await expect(request).rejects.toThrow();
    await eventually("the end of the connection", () => connection?.aborted);
    open();
    await eventually("the answer", () => watched === 1);
    await eventually("nobody who watches", () => world.jobs.watchers === 0 && world.clock.pending === 0);
    await server.stop(0);
  });

  test("an idle stream does not hold the end of the server up", async () => {
    using world = await edgeWorld();
    const job = plantHistory(world, ["running"]);
    const server = world.serve();
    const seen = readEvents(await fetch(`${server.url}/api/job/${job.id}/events`, { headers: world.auth() }));
    await seen.until(1);
    world.stopStreams();
    await seen.untilEnd();
    await server.stop();
  });
});

describe("the places for streams", () => {
  test("are limited for each user, with 429, and for all, with 503; logs that are followed count as well", async () => {
    using world = await edgeWorld({ streams: { maxStreams: 3, maxStreamsPerUser: 2 } });
    const [own, other, third] = ["alice", "bob", "carol"].map((submitter) =>
      world.jobs.plant({ phase: "running", submitter }),
    );
    if (own === undefined || other === undefined || third === undefined) throw new Error("No jobs");
    const follow = await world.app.request(`/api/job/${own.id}/stdout?follow=true`, { headers: world.auth() });
    const first = await ask(world, own);
    expect([follow.status, first.status]).toEqual([200, 200]);
    const refused = await ask(world, own);
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toEqual([
      429,
      "10",
      { detail: "You follow 2 jobs or logs already, please end one of them first" },
    ]);
    const log = await world.app.request(`/api/job/${own.id}/stderr?follow=true`, { headers: world.auth() });
    expect(log.status).toBe(429);
    const last = await ask(world, other, { user: "bob" });
    expect(last.status).toBe(200);
    const full = await ask(world, third, { user: "carol" });
    expect([full.status, full.headers.get("retry-after"), await full.json()]).toEqual([
      503,
      "10",
      { detail: "Too many jobs and logs are being followed, please try again later" },
    ]);
    // Neither a log that is not followed nor the end of a job takes a place.
    expect((await world.app.request(`/api/job/${own.id}/stdout?tail=1`, { headers: world.auth() })).status).toBe(200);
    await first.body?.cancel();
    await eventually("a free place", async () => {
      const next = await ask(world, third, { user: "carol" });
      await next.body?.cancel();
      return next.status === 200;
    });
    await follow.body?.cancel();
    await last.body?.cancel();
    world.jobs.move(own.id, "finished", {
      progress: { ...progressIn("finished"), outcome: SUCCEEDED } as Job["progress"],
    });
    for (let n = 0; n < 5; n++) {
      const ended = await read(world, own);
      await ended.untilEnd();
    }
    expect(world.jobs.watchers).toBe(0);
  });
});
