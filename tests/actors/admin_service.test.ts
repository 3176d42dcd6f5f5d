import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { SchedulerUnavailableError } from "../../src/core/errors.ts";
import { attemptTag, jobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import type { JobAction } from "../../src/ports/admin_service.ts";
import type { AdminJobFilter } from "../../src/ports/admin_store.ts";
import { type ActorWorld, actorWorld } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

const ANY: AdminJobFilter = {
  ...{ states: [], destination: "", application: "", submitter: "", reason: "", olderThanMs: 0, youngerThanMs: 0 },
};
const BY = "root (claimed)";

async function setup(capacity = 1) {
  const scheduler = controlledScheduler({ capacity });
  const world = await actorWorld({ destinations: { here: { scheduler } } });
  return { scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

async function destination(world: ActorWorld) {
  const [first] = (await world.admin.status()).destinations;
  if (first === undefined) throw new Error("There is no destination");
  return first;
}

test("status tells of slots, phases and the next question to the scheduler", async () => {
  await using opened = await setup();
  const { world } = opened;
  const job = await world.submit();
  await world.until(job.id, "queued");
  const waiting = await world.submit();
  await world.until(waiting.id, "waiting");
  expect(await world.admin.status()).toMatchObject({
    database: { fault: null },
    destinations: [
      {
        ...{ name: "here", mode: "open", modeBy: null, slots: { capacity: 1, held: 1, waiting: 1 } },
        scheduler: { isHealthy: true, lastFault: null },
        copies: { running: 0, waiting: 0 },
        poll: { jobs: 1, nextOnMs: world.clock.nowMs() + 60_000 },
        phases: [
          { phase: "queued", count: 1 },
          { phase: "waiting", count: 1 },
        ],
      },
    ],
    restarts: 0,
  });
});

test("status and why tell of an outage, and of the last one when it is over", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  scheduler.failNext("submit", ...Array.from({ length: 4 }, () => new SchedulerUnavailableError("Host is gone")));
  const job = await world.submit();
  await world.eventually(async () => {
    await world.clock.advance(500);
    return (await destination(world)).scheduler?.isHealthy === false;
  });
  expect((await destination(world)).scheduler).toMatchObject({ lastFault: { message: "Host is gone" } });
  expect((await world.admin.why(job.id))?.text).toMatch(/The scheduler has not answered for .*: Host is gone/);
  await world.pass(job.id, "queued");
  await world.eventually(async () => {
    await world.clock.advance(500);
    return (await destination(world)).scheduler?.isHealthy === true;
  });
  expect((await destination(world)).scheduler).toMatchObject({ lastFault: { message: "Host is gone" } });
  const events = world.admin.recentEvents().filter(({ type }) => type === "destination");
  expect(events.map(({ subject, text }) => `${subject}: ${text}`)).toEqual([
    "destination here: its scheduler does not answer: Host is gone",
    "destination here: its scheduler answers again",
  ]);
});

test("status tells at once of a scheduler that knows without a question that nobody answers", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  const absence = { reason: "Redis cannot be reached: no route", sinceMs: 17 };
  Object.assign(scheduler, { absence: () => absence });
  expect((await destination(world)).scheduler).toMatchObject({
    ...{ isHealthy: false, sinceOnMs: 17 },
    lastFault: { message: absence.reason, onMs: 17 },
  });
});

test("an administrator learns which worker has a job, which jobs a worker has, and where one has ended", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  const job = await world.submit();
  await world.until(job.id, "queued");
  const tag = scheduler.submitted[0]?.tag;
  const worker = { pid: 1, release: "1", sinceMs: 17, capacity: 2, isDraining: false, silentForMs: null };
  const busy = { ...worker, name: "b-1", host: "b", running: 2, tags: [tag, attemptTag("other", jobId(99), 1)] };
  const idle = { ...worker, name: "a-1", host: "a", running: 0, tags: [] };
  Object.assign(scheduler, { performers: async () => [idle, busy] });
  expect(await world.admin.performers()).toMatchObject({
    performers: [
      { name: "a-1", destination: "here", jobs: [] },
      { name: "b-1", running: 2, jobs: [job.id], sinceOnMs: 17 },
    ],
  });
  const holder = { name: "b-1", host: "b", silentForMs: null };
  for (const phase of ["queued", "running"] as const) {
    await world.until(job.id, phase);
    expect(await world.admin.job(job.id)).toMatchObject({ performer: holder, host: null });
    expect((await world.admin.why(job.id))?.text).toContain("Performer b-1 on host b has it.");
    scheduler.start(schedulerJobId(`s-${tag}`));
  }
  scheduler.end(schedulerJobId(`s-${tag}`), { ...SUCCEEDED, host: "b" });
  await world.pass(job.id, "finished");
  expect(await world.admin.job(job.id)).toMatchObject({ performer: null, host: "b" });
  const said = world.logger.lines.find(({ message }) => message === "The job has ended");
  expect(said?.fields).toMatchObject({ job: job.id, host: "b" });
});

test("a job is shown without its worker while that is not known, and no worker is looked for when it waits here", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  let questions = 0;
  Object.assign(scheduler, {
    performers: async () => {
      questions += 1;
      throw new SchedulerUnavailableError("Redis cannot be reached");
    },
  });
  const [handed, waiting] = [await world.submit(), await world.submit()];
  await world.until(handed.id, "queued");
  await world.until(waiting.id, "waiting");
  expect(await world.admin.job(waiting.id)).toMatchObject({ performer: null });
  expect(questions).toBe(0);
  expect(await world.admin.job(handed.id)).toMatchObject({ phase: "queued", performer: null });
  expect(questions).toBe(1);
});

test("a paused destination starts no waiting job, also after a restart, until it is resumed", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  expect(await world.admin.setMode("here", "paused", BY)).toBe(true);
  const job = await world.submit();
  await world.until(job.id, "waiting");
  await world.restart();
  await world.clock.advance(60_000);
  expect(scheduler.submitted).toEqual([]);
  expect(await destination(world)).toMatchObject({ mode: "paused", modeBy: BY });
  await world.admin.setMode("here", "open", BY);
  await world.until(job.id, "queued");
});

test("what runs on a paused destination comes to its end", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  const job = await world.submit();
  await world.until(job.id, "queued");
  await world.admin.setMode("here", "paused", BY);
  scheduler.end(schedulerJobId(`s-${scheduler.submitted[0]?.tag}`), SUCCEEDED);
  await world.pass(job.id, "finished");
});

test("a draining destination gets no new jobs; they wait however long it takes, and go there when it is resumed", async () => {
  await using opened = await setup();
  const { world } = opened;
  await world.admin.setMode("here", "draining", BY);
  const job = await world.submit();
  await world.eventually(async () => /being drained/.test((await world.admin.why(job.id))?.text ?? ""));
  for (let hour = 0; hour < 48; hour++) await world.clock.advance(3_600_000);
  expect((await world.store.get(job.id))?.progress.phase).toBe("accepted");
  await world.admin.setMode("here", "open", BY);
  await world.until(job.id, "queued");
});

test("a job that waits for a draining destination is cancelled at once", async () => {
  await using opened = await setup();
  const { world } = opened;
  await world.admin.setMode("here", "draining", BY);
  const job = await world.submit();
  await world.eventually(async () => /being drained/.test((await world.admin.why(job.id))?.text ?? ""));
  const ids = { type: "ids", ids: [job.id] } as const;
  expect(await world.admin.act({ action: "cancel", jobs: ids, isDryRun: false }, BY)).toMatchObject([
    { result: "done" },
  ]);
  expect((await world.pass(job.id, "finished")).progress).toMatchObject({
    outcome: { reason: "Cancelled by an administrator" },
  });
});

test("a held job lets others pass, also after a restart, until it is released", async () => {
  await using opened = await setup();
  const { world } = opened;
  await world.admin.setMode("here", "paused", BY);
  const [held, other] = [await world.submit(), await world.submit()];
  for (const { id } of [held, other]) await world.until(id, "waiting");
  expect(await world.admin.hold(held.id, true, BY)).toMatchObject({ result: "done" });
  await world.restart();
  await world.admin.setMode("here", "open", BY);
  await world.until(other.id, "queued");
  expect((await world.store.get(held.id))?.progress.phase).toBe("waiting");
  expect(await world.admin.hold(other.id, true, BY)).toMatchObject({ result: "refused" });
  expect(await world.admin.hold(jobId(99), true, BY)).toMatchObject({ result: "not_found" });
});

test("a job with a higher priority goes first", async () => {
  await using opened = await setup();
  const { world } = opened;
  await world.admin.setMode("here", "paused", BY);
  const [first, second] = [await world.submit(), await world.submit("bob")];
  for (const { id } of [first, second]) await world.until(id, "waiting");
  await world.admin.prioritise(second.id, 1, BY);
  await world.admin.setMode("here", "open", BY);
  await world.until(second.id, "queued");
  expect((await world.store.get(first.id))?.progress.phase).toBe("waiting");
});

test("retry tries at once what waits, and refuses what has ended or does not wait", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  const retry = (id: number, isDryRun = false) =>
    world.admin.act({ action: "retry", jobs: { type: "ids", ids: [jobId(id)] }, isDryRun }, BY);
  scheduler.failNext("submit", new SchedulerUnavailableError("Host is gone"));
  const job = await world.submit();
  await world.eventually(async () => (await retry(job.id, true))[0]?.result === "done");
  expect(await retry(job.id)).toMatchObject([{ result: "done" }]);
  await world.until(job.id, "queued");
  expect(await retry(job.id)).toMatchObject([{ result: "refused" }]);
  scheduler.end(schedulerJobId(`s-${scheduler.submitted[0]?.tag}`), SUCCEEDED);
  await world.pass(job.id, "finished");
  expect(await retry(job.id)).toMatchObject([{ result: "refused", outcome: expect.stringContaining("ended well") }]);
});

test("retry submits a failed job again as a new one of the same user, once, and leaves the failed one as it is", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  const retry = (jobs: JobAction["jobs"], isDryRun = false) => world.admin.act({ action: "retry", jobs, isDryRun }, BY);
  const failed = await world.submit("bob");
  await world.until(failed.id, "queued");
  scheduler.end(schedulerJobId(`s-${scheduler.submitted[0]?.tag}`), { isOk: false, returnCode: 3, reason: null });
  await world.pass(failed.id, "finished");
  const before = await world.store.get(failed.id);

  const filter = { type: "filter", filter: { ...ANY, states: ["error"] } } as const;
  expect(await retry(filter, true)).toMatchObject([{ id: failed.id, result: "done" }]);
  const answer = await retry(filter);
  expect(answer).toEqual([{ id: failed.id, result: "done", outcome: "It is submitted again, as job 2" }]);
  const again = await world.store.get(jobId(2));
  expect(again).toMatchObject({ submitter: "bob", application: failed.application, parameters: failed.parameters });
  expect((await world.admin.job(jobId(2)))?.retryOf).toBe(failed.id);
  await world.until(jobId(2), "queued");
  expect(await world.store.get(failed.id)).toEqual(before as Job);

  expect(await retry(filter)).toEqual([]);
  const ids = { type: "ids", ids: [failed.id] } as const;
  expect(await retry(ids)).toMatchObject([{ result: "refused", outcome: expect.stringContaining("as job 2") }]);
  expect(await world.admin.audit(1)).toMatchObject([{ action: "retry", target: `job ${failed.id}` }]);
});

test("retry leaves cancelled jobs to those who name them", async () => {
  await using opened = await setup();
  const { world } = opened;
  await world.admin.setMode("here", "paused", BY);
  const job = await world.submit();
  await world.service.cancel(job.id, job.submitter);
  await world.pass(job.id, "finished");
  const retry = (jobs: JobAction["jobs"]) => world.admin.act({ action: "retry", jobs, isDryRun: false }, BY);
  expect(await retry({ type: "filter", filter: ANY })).toEqual([]);
  expect(await retry({ type: "ids", ids: [job.id] })).toMatchObject([{ result: "done" }]);
});

test("retry refuses a job whose input was changed by its command", async () => {
  await using opened = await setup();
  const { world, scheduler } = opened;
  const job = await world.submit();
  await world.until(job.id, "queued");
  await Bun.write(join(world.service.jobRootDir, String(job.id), "input.txt"), "other");
  scheduler.end(schedulerJobId(`s-${scheduler.submitted[0]?.tag}`), { isOk: false, returnCode: 1, reason: null });
  await world.pass(job.id, "finished");
  const [answer] = await world.admin.act(
    { action: "retry", jobs: { type: "ids", ids: [job.id] }, isDryRun: false },
    BY,
  );
  expect(answer).toMatchObject({ result: "refused", outcome: expect.stringContaining("changed or removed") });
  expect(await readdir(world.uploadDir)).toEqual([]);
});

test("jobs are found by filters, whoever submitted them", async () => {
  await using opened = await setup();
  const { world } = opened;
  await world.admin.setMode("here", "paused", BY);
  for (const submitter of ["alice", "bob", "alice"]) await world.submit(submitter);
  await world.clock.advance(60_000);
  await world.submit("carol");
  const found = async (filter: Partial<AdminJobFilter>, sort: "newest" | "oldest" = "newest") =>
    (await world.admin.jobs({ filter: { ...ANY, ...filter }, sort, limit: 10 })).map(({ id }) => Number(id));
  expect(await found({})).toEqual([4, 3, 2, 1]);
  expect(await found({}, "oldest")).toEqual([1, 2, 3, 4]);
  expect(await found({ submitter: "alice" })).toEqual([3, 1]);
  expect(await found({ olderThanMs: 30_000 })).toEqual([3, 2, 1]);
  expect(await found({ youngerThanMs: 30_000 })).toEqual([4]);
  expect(await found({ states: ["running"] })).toEqual([]);
  expect(await found({ application: "other" })).toEqual([]);
});

test("every action is recorded with who did it, but for one that was only tried out", async () => {
  await using opened = await setup();
  const { world } = opened;
  const job = await world.submit();
  const jobs = { type: "ids", ids: [job.id] } as const;
  await world.admin.act({ action: "cancel", jobs, isDryRun: true }, BY);
  await world.admin.act({ action: "cancel", jobs, isDryRun: false }, BY);
  await world.admin.setMode("here", "draining", BY);
  expect(await world.admin.setMode("nowhere", "draining", BY)).toBe(false);
  expect((await world.admin.audit(10)).map(({ by, action, target }) => [by, action, target])).toEqual([
    [BY, "drain", "destination here"],
    [BY, "cancel", `job ${job.id}`],
  ]);
});
