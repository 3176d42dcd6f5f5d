import { describe, expect, test } from "bun:test";
import { DestinationAwayError, JobDirectoryError } from "../../src/core/errors.ts";
import { type EdgeWorld, edgeWorld, UNLIMITED, uploadForm } from "../support/edge_world.ts";
import { eventually } from "../support/eventually.ts";
import { submit } from "../support/submission.ts";

const limited = (usage: Partial<typeof UNLIMITED>): Promise<EdgeWorld> =>
  edgeWorld({ usage: { ...UNLIMITED, ...usage } });

type Answer = Awaited<ReturnType<typeof submit>>;
const shown = ({ status, text, headers }: Answer) => [status, JSON.parse(text).detail, headers.get("retry-after")];

/** A request whose body may not be read: it is no form. */
const unread = { body: "no form" };

describe("submissions_per_minute", () => {
  test("refuses too many submissions of one user before their body is read, and says when to come back", async () => {
    using world = await limited({ submissionsPerMinute: 2 });
    for (let n = 0; n < 2; n++) expect(await submit(world)).toMatchObject({ status: 303 });
    expect(shown(await submit(world, unread))).toEqual([
      429,
      "submissions_per_minute: at most 2 in a minute; try again in 30 s",
      "30",
    ]);
    expect(await submit(world, { headers: world.auth("bob") })).toMatchObject({ status: 303 });
    await world.clock.advance(29_500);
    expect(shown(await submit(world, unread))).toEqual([429, expect.stringContaining("try again in 1 s"), "1"]);
    await world.clock.advance(500);
    expect(await submit(world)).toMatchObject({ status: 303 });
    expect(world.jobs.rows.size).toBe(4);
  });

  test("counts no submission that makes no new job", async () => {
    using world = await limited({ submissionsPerMinute: 1, maxStoredJobs: 1 });
    const again = { headers: { ...world.auth(), "idempotency-key": "k" } };
    for (let n = 0; n < 3; n++) {
      expect(await submit(world, { ...again, body: uploadForm() })).toMatchObject({ status: 303 });
    }
    expect(world.jobs.rows.size).toBe(1);
  });
});

describe("requests_per_minute", () => {
  test("refuses too many requests of one user, whatever they ask for", async () => {
    using world = await limited({ requestsPerMinute: 3 });
    const statusOf = async (path: string, headers: Record<string, string> = world.auth()) =>
      (await world.app.request(path, { headers })).status;
    expect(await statusOf("/api/whoami")).toBe(200);
    expect(await statusOf("/api/job/17")).toBe(404);
    expect(await statusOf("/api/job/")).toBe(200);
    expect(shown(await submit(world, unread))).toEqual([
      429,
      "requests_per_minute: at most 3 in a minute; try again in 20 s",
      "20",
    ]);
    expect(await statusOf("/api/whoami")).toBe(429);
    expect(await statusOf("/api/whoami", world.auth("bob"))).toBe(200);
    await world.clock.advance(20_000);
    expect(await statusOf("/api/whoami")).toBe(200);
  });

  test("leaves alone what needs no token, and whoever has none that is good", async () => {
    using world = await limited({ requestsPerMinute: 1 });
    for (let n = 0; n < 3; n++) {
      expect((await world.app.request("/api/live")).status).toBe(200);
      expect((await world.app.request("/api/whoami")).status).toBe(403);
      expect((await world.app.request("/api/whoami", { headers: { authorization: "Bearer a.b.c" } })).status).toBe(401);
    }
    expect((await world.app.request("/api/whoami", { headers: world.auth() })).status).toBe(200);
  });
});

describe("max_unfinished_jobs", () => {
  test("refuses a submission while that many jobs of the user are unfinished", async () => {
    using world = await limited({ maxUnfinishedJobs: 2 });
    world.jobs.plant({ submitter: "alice", phase: "running" });
    world.jobs.plant({ submitter: "alice", phase: "finished" });
    world.jobs.plant({ submitter: "bob", phase: "running" });
    expect(await submit(world)).toMatchObject({ status: 303 });
    expect(shown(await submit(world, unread))).toEqual([
      429,
      "max_unfinished_jobs: at most 2 at a time; try again in 60 s",
      "60",
    ]);
  });

  test("counts submissions that are no jobs yet", async () => {
    using world = await limited({ maxUnfinishedJobs: 3 });
    world.jobs.plant({ submitter: "alice", phase: "running" });
    const submitToStore = world.jobs.submit.bind(world.jobs);
    const waiting: (() => void)[] = [];
    world.jobs.submit = async (job) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return submitToStore(job);
    };
    const accepted = [submit(world), submit(world)];
    await eventually("two submissions on their way into the store", () => waiting.length === 2);
    expect(await submit(world, unread)).toMatchObject({ status: 429 });
    const bob = submit(world, { headers: world.auth("bob") });
    await eventually("the submission of another user", () => waiting.length === 3);
    for (const goOn of waiting) goOn();
    for (const answer of [...accepted, bob]) expect(await answer).toMatchObject({ status: 303 });
    expect(await submit(world, unread)).toMatchObject({ status: 429 });
  });

  test("is not used up by refused submissions", async () => {
    using world = await limited({ maxUnfinishedJobs: 1 });
    for (let n = 0; n < 3; n++) expect(await submit(world, unread)).toMatchObject({ status: 422 });
    expect(await submit(world)).toMatchObject({ status: 303 });
  });
});

describe("max_stored_jobs", () => {
  test("refuses a submission until a job is deleted", async () => {
    using world = await limited({ maxStoredJobs: 2 });
    const { id } = world.jobs.plant({ submitter: "alice", phase: "finished" });
    world.jobs.plant({ submitter: "alice", phase: "finished" });
    expect(shown(await submit(world, unread))).toEqual([
      429,
      "max_stored_jobs: at most 2, delete some first; try again in 60 s",
      "60",
    ]);
    await world.jobs.remove(id, "alice");
    expect(await submit(world)).toMatchObject({ status: 303 });
  });
});

describe("min_free_bytes", () => {
  test("refuses a submission when less is free, before its body is read", async () => {
    using world = await limited({ minFreeBytes: Number.MAX_SAFE_INTEGER });
    expect(shown(await submit(world, unread))).toEqual([
      507,
      "The service has too little free disk space for this, please try again later",
      null,
    ]);
    expect(world.leftovers()).toEqual([]);
    expect(world.logger.lines).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: "A submission was refused, as it would leave too little disk space",
      }),
    );
  });

  test("counts what the client announces as used already", async () => {
    using world = await limited({ minFreeBytes: 1 });
    const headers = { ...world.auth(), "content-length": String(Number.MAX_SAFE_INTEGER) };
    expect(await submit(world, { ...unread, headers })).toMatchObject({ status: 507 });
    expect(await submit(world)).toMatchObject({ status: 303 });
  });
});

describe("a destination that is away and takes no jobs then", () => {
  const away = new DestinationAwayError("far", 7_200);

  test("is told by 503 with the time to wait, before the body is read where that can be known", async () => {
    using world = await limited({});
    world.jobs.away.early = away;
    expect(shown(await submit(world, unread))).toEqual([503, away.message, "8"]);
    expect(world.leftovers()).toEqual([]);
  });

  test("is told when the files have been looked at, and nothing is left then", async () => {
    using world = await limited({});
    world.jobs.away.late = away;
    expect(shown(await submit(world))).toEqual([503, away.message, "8"]);
    expect(world.leftovers()).toEqual([]);
    expect(world.jobs.rows.size).toBe(0);
    world.jobs.away.late = undefined;
    expect(await submit(world)).toMatchObject({ status: 303 });
  });
});

describe("a disk that is full", () => {
  test.each(["ENOSPC", "EDQUOT"])(
    "is told by 507, also where it kept a job's directory from being made: %s",
    async (code) => {
      using world = await limited({});
      const full = Object.assign(new Error(`${code}: write`), { code });
      for (const fault of [full, new JobDirectoryError("Directory of job 1 could not be made", full)]) {
        world.jobs.fault = fault;
        expect(shown(await submit(world))).toEqual([
          507,
          "The service has too little free disk space for this, please try again later",
          null,
        ]);
        expect(world.leftovers()).toEqual([]);
      }
      world.jobs.fault = new JobDirectoryError("Directory of job 1 exists already");
      expect(await submit(world)).toMatchObject({ status: 500 });
    },
  );
});
