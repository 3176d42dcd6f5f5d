import { describe, expect, test } from "bun:test";
import { type HealthDescription, healthName } from "../../actors/health_messages.ts";
import { SchedulerUnavailableError, TransferError } from "../../src/core/errors.ts";
import { jobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import { type ActorWorld, actorWorld, LOCAL_FILES } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

const LOST = new TransferError("Connection refused", { retryable: true });

/** Files on another machine, which a test takes away or makes slow. */
function remoteFiles() {
  const uploads: { readonly answer: () => void }[] = [];
  const remote = { isDown: false, isSlow: false, tries: 0, uploads };
  const files: FileSystem = {
    ...LOCAL_FILES,
    isStaged: true,
    locate: (id) => `/remote/${id}`,
    async upload() {
      remote.tries += 1;
      if (remote.isDown) throw LOST;
      if (!remote.isSlow) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      uploads.push({ answer: resolve });
      await promise;
    },
  };
  return Object.assign(remote, { files });
}

async function setup() {
  const remote = remoteFiles();
  const scheduler = controlledScheduler();
  const world = await actorWorld({
    destinations: {
      far: { scheduler, fileSystem: remote.files, rules: { maxAttempts: 4 } },
      near: { scheduler: controlledScheduler() },
    },
    pick: ({ application }) => (application === "echo" ? "far" : "near"),
  });
  return { remote, scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

async function healthOf(world: ActorWorld, destination: string): Promise<HealthDescription> {
  return await new Promise((reply) => world.system.find(healthName(destination))?.send({ type: "describe", reply }));
}

async function isDegraded(world: ActorWorld, destination: string): Promise<boolean> {
  const { scheduler, file_system } = await healthOf(world, destination);
  return scheduler.state === "degraded" || file_system.state === "degraded";
}

/** Lets time pass, with room for real input and output after every second. */
async function passSeconds(world: ActorWorld, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await world.clock.advance(1_000);
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

async function phases(world: ActorWorld, jobs: readonly Job[]): Promise<ReadonlySet<string | undefined>> {
  return new Set(await Promise.all(jobs.map(async ({ id }) => (await world.store.get(id))?.progress.phase)));
}

const told = (world: ActorWorld, message: string): number =>
  world.logger.lines.filter((line) => line.message.startsWith(message)).length;

async function submitMany(world: ActorWorld, count: number): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let n = 0; n < count; n++) jobs.push(await world.submit());
  return jobs;
}

describe("a destination whose files are out of reach", () => {
  test("is degraded: its jobs wait for hours without an end, with one try per step of the back-off", async () => {
    await using t = await setup();
    t.remote.isDown = true;
    const jobs = await submitMany(t.world, 20);
    await t.world.eventually(() => isDegraded(t.world, "far"));
    await passSeconds(t.world, 300);
    const before = t.remote.tries;
    await passSeconds(t.world, 600);
    expect(t.remote.tries - before).toBeLessThanOrEqual(11);
    expect(t.remote.tries - before).toBeGreaterThanOrEqual(9);
    expect(await phases(t.world, jobs)).toEqual(new Set(["staging_in"]));
    t.remote.isDown = false;
    await passSeconds(t.world, 61);
    await t.world.eventually(async () => (await phases(t.world, jobs)).has("queued"));
    await t.world.eventually(async () => (await phases(t.world, jobs)).size === 1);
    expect(await healthOf(t.world, "far")).toEqual({
      scheduler: { state: "healthy" },
      file_system: { state: "healthy", lastFault: { reason: "Connection refused", atMs: expect.any(Number) } },
    });
  });

  test("says why, since when and when it is tried next, and is logged once per change", async () => {
    await using t = await setup();
    t.remote.isDown = true;
    await submitMany(t.world, 10);
    await t.world.eventually(() => isDegraded(t.world, "far"));
    const nowMs = t.world.clock.nowMs();
    const { scheduler, file_system } = await healthOf(t.world, "far");
    const [view] = await t.world.service.describe([(await t.world.store.get(jobId(1))) ?? expect.unreachable()]);
    expect(view?.reason).toMatch(/^Destination "far" is degraded: Connection refused; next try at 2022-/);
    expect(scheduler).toEqual({ state: "healthy" });
    expect(file_system).toMatchObject({
      state: "degraded",
      reason: "Connection refused",
      sinceMs: nowMs,
      nextTryMs: nowMs + 1_000,
    });
    await passSeconds(t.world, 100);
    // The last ones come from a real disk, which does not know how late it is.
    await t.world.eventually(async () => {
      const { file_system } = await healthOf(t.world, "far");
      return file_system.state === "degraded" && file_system.waiting === 10;
    });
    expect((await healthOf(t.world, "far")).file_system).toMatchObject({ sinceMs: nowMs });
    t.remote.isDown = false;
    await passSeconds(t.world, 61);
    await t.world.eventually(async () => !(await isDegraded(t.world, "far")));
    expect(told(t.world, "The destination is degraded")).toBe(1);
    expect(told(t.world, "The destination answers again")).toBe(1);
    expect(told(t.world, "An effect of the job failed")).toBeLessThanOrEqual(10);
  });

  test("does not keep other destinations from working", async () => {
    await using t = await setup();
    t.remote.isDown = true;
    await submitMany(t.world, 5);
    await t.world.eventually(() => isDegraded(t.world, "far"));
    const other = await t.world.submit("alice", "other");
    await t.world.until(other.id, "finished");
    expect(await isDegraded(t.world, "near")).toBe(false);
  });

  test("is tried by others when a try never answers", async () => {
    await using t = await setup();
    t.remote.isDown = true;
    const jobs = await submitMany(t.world, 3);
    await t.world.eventually(() => isDegraded(t.world, "far"));
    await passSeconds(t.world, 20);
    Object.assign(t.remote, { isDown: false, isSlow: true, tries: 0 });
    await passSeconds(t.world, 200);
    expect(t.remote.tries).toBe(3);
    t.remote.uploads[1]?.answer();
    await t.world.eventually(async () => (await phases(t.world, jobs)).has("queued"));
    expect(await isDegraded(t.world, "far")).toBe(false);
    for (const { answer } of t.remote.uploads) answer();
  });

  test("lets users delete what waits, at once, as nothing is left there", async () => {
    await using t = await setup();
    t.remote.isDown = true;
    const [first, ...others] = await submitMany(t.world, 5);
    await t.world.eventually(() => isDegraded(t.world, "far"));
    await passSeconds(t.world, 30);
    const removed = t.world.service.remove(first?.id ?? expect.unreachable(), "alice");
    await t.world.clock.advance(20_000);
    expect(await removed).toBe("deleted");
    expect(await t.world.service.get(first?.id ?? expect.unreachable(), "alice")).toBeUndefined();
    t.remote.isDown = false;
    await passSeconds(t.world, 61);
    await t.world.eventually(async () => !(await phases(t.world, others)).has("staging_in"));
    await t.world.eventually(async () => (await t.world.store.get(first?.id ?? expect.unreachable())) === undefined);
  });

  test("keeps its jobs waiting over a restart of the daemon and over a crash of its actors", async () => {
    await using t = await setup();
    t.remote.isDown = true;
    const jobs = await submitMany(t.world, 5);
    await t.world.eventually(() => isDegraded(t.world, "far"));
    await t.world.restart();
    await passSeconds(t.world, 60);
    t.world.system.find(healthName("far"))?.send({
      type: "describe",
      reply: () => {
        throw new Error("planted fault");
      },
    });
    await passSeconds(t.world, 60);
    expect(await phases(t.world, jobs)).toEqual(new Set(["staging_in"]));
    t.remote.isDown = false;
    await passSeconds(t.world, 61);
    await t.world.eventually(async () => !(await phases(t.world, jobs)).has("staging_in"));
  });
});

describe("a job at a healthy destination", () => {
  test("whose own copy fails now and then ends after its last try, with the reason", async () => {
    await using t = await setup();
    let tries = 0;
    const upload = t.remote.files.upload;
    t.remote.files.upload = async (local, remote, signal) => {
      if (remote !== "/remote/1") return await upload(local, remote, signal);
      tries += 1;
      throw LOST;
    };
    const poisoned = await t.world.submit();
    for (let n = 0; n < 60 && (await t.world.store.get(poisoned.id))?.progress.phase !== "finished"; n++) {
      await t.world.submit();
      await passSeconds(t.world, 1);
    }
    expect((await t.world.until(poisoned.id, "finished")).progress).toMatchObject({
      outcome: { isOk: false, reason: "Input could not be copied to the destination: Connection refused" },
    });
    expect(tries).toBe(4);
  });
});

describe("a destination whose scheduler does not answer", () => {
  test("is degraded by polls alone, and then asked ever more rarely until it answers", async () => {
    const scheduler = controlledScheduler({ canPush: false });
    await using world = await actorWorld({ destinations: { here: { scheduler } } });
    const job = await world.submit();
    await world.until(job.id, "queued");
    const outage = Array.from({ length: 20 }, () => new SchedulerUnavailableError("slurmctld is away"));
    scheduler.failNext("statuses", ...outage);
    await passSeconds(world, 15);
    expect((await healthOf(world, "here")).scheduler).toMatchObject({ state: "degraded", reason: "slurmctld is away" });
    await passSeconds(world, 300);
    const before = scheduler.calls.statuses;
    await passSeconds(world, 300);
    expect(scheduler.calls.statuses - before).toBeLessThanOrEqual(6);
    scheduler.end(schedulerJobId(`s-${scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await passSeconds(world, 1_200);
    await world.until(job.id, "finished");
    expect(await isDegraded(world, "here")).toBe(false);
    expect(told(world, "The scheduler did not answer")).toBe(3);
  });

  test("is not overrun when it is back: its jobs come one by one, then twice as many each time", async () => {
    const scheduler = controlledScheduler();
    await using world = await actorWorld({ destinations: { here: { scheduler } } });
    scheduler.failNext("submit", ...Array.from({ length: 3 }, () => new SchedulerUnavailableError("timed out")));
    const first = await submitMany(world, 3);
    await world.eventually(() => isDegraded(world, "here"));
    const jobs = [...first, ...(await submitMany(world, 27))];
    for (const job of jobs) await world.until(job.id, "submitting");
    let release = scheduler.hold("submit");
    await passSeconds(world, 2);
    const atOnce: number[] = [];
    for (let seen = 3; seen < 33; ) {
      await world.eventually(() => scheduler.calls.submit > seen);
      await world.clock.advance(0);
      atOnce.push(scheduler.calls.submit - seen);
      seen = scheduler.calls.submit;
      release();
      release = scheduler.hold("submit");
    }
    release();
    expect(atOnce[0]).toBe(1);
    for (const [turn, count] of atOnce.entries()) {
      const before = atOnce.slice(0, turn).reduce((sum, earlier) => sum + earlier, 0);
      expect(count).toBeLessThanOrEqual(2 ** before);
    }
    await world.eventually(() => scheduler.submitted.length === jobs.length);
  });

  test("gets each waiting submission once when it is back, and no job ends meanwhile", async () => {
    const scheduler = controlledScheduler();
    await using world = await actorWorld({ destinations: { here: { scheduler } } });
    scheduler.failNext("submit", ...Array.from({ length: 25 }, () => new SchedulerUnavailableError("timed out")));
    const jobs = await submitMany(world, 10);
    await world.eventually(() => isDegraded(world, "here"));
    await passSeconds(world, 1_500);
    await world.eventually(() => scheduler.submitted.length === 10);
    expect(await phases(world, jobs)).toEqual(new Set(["queued"]));
    expect(new Set(scheduler.submitted.map(({ tag }) => tag)).size).toBe(10);
  });
});
