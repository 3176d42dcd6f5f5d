import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SchedulerRefusedError, SchedulerUnavailableError, TransferError } from "../../src/core/errors.ts";
import { schedulerJobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import { ABSENCES } from "../../src/core/job_transition.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import { type ActorWorld, actorWorld, LOCAL_FILES } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

const CANCELLED = { isOk: false, returnCode: null, reason: "Cancelled by alice" };

async function setup(
  options: { capacity?: number; fileSystem?: FileSystem; pick?: () => Promise<string> | string } = {},
) {
  const scheduler = controlledScheduler(options);
  const { fileSystem = LOCAL_FILES, pick } = options;
  const world = await actorWorld({
    destinations: { here: { scheduler, fileSystem } },
    ...(pick === undefined ? {} : { pick }),
  });
  return { scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** A file system of its own whose copies wait for the returned functions. */
function heldFiles() {
  const upload = Promise.withResolvers<void>();
  const download = Promise.withResolvers<void>();
  const fileSystem: FileSystem = {
    ...LOCAL_FILES,
    isStaged: true,
    upload: () => upload.promise,
    download: () => download.promise,
  };
  return { fileSystem, upload, download };
}

/** What a crash leaves between the saving of a submission and its first step. */
async function insertOnly(world: ActorWorld): Promise<Job> {
  const upload = "cut-short";
  mkdirSync(join(world.uploadDir, upload));
  writeFileSync(join(world.uploadDir, upload, "input.txt"), "input\n");
  const identity = { name: "input.zip", application: "echo", submitter: "alice", parameters: {} };
  return await world.store.insert({ ...identity, upload }, world.clock.nowMs());
}

/** Expects that the job is cancelled, keeps its directory, and never ran again. */
async function expectCancelled(world: ActorWorld, job: Job): Promise<void> {
  const ended = await world.until(job.id, "finished");
  expect(ended.progress).toMatchObject({ outcome: CANCELLED });
  expect(ended.finishedOnMs).not.toBeNull();
  const directory = join(world.jobRootDir, String(job.id));
  expect(existsSync(join(directory, "input.txt"))).toBe(true);
  expect(readFileSync(join(directory, "stderr.txt"), "utf8")).toContain("Cancelled by alice");
}

describe("cancelling a job", () => {
  test("whose submission was cut short by a crash keeps its files, though its user was quicker than recovery", async () => {
    await using t = await setup();
    const job = await insertOnly(t.world);
    expect(await t.world.service.cancel(job.id, "alice")).toMatchObject({ type: "cancelling" });
    await expectCancelled(t.world, job);
    expect(readdirSync(t.world.uploadDir)).toEqual([]);
  });

  test("or deleting one whose submission was cut short leaves nothing of its upload", async () => {
    await using t = await setup();
    const job = await insertOnly(t.world);
    expect(await t.world.service.remove(job.id, "alice")).toBe("deleted");
    expect([...readdirSync(t.world.uploadDir), ...readdirSync(t.world.jobRootDir)]).toEqual([]);
    expect(await t.world.store.get(job.id)).toBeUndefined();
  });

  test("that is being admitted ends it at the answer of what is under way", async () => {
    const picked = Promise.withResolvers<string>();
    await using t = await setup({ pick: () => picked.promise });
    const job = await t.world.submit();
    const result = await t.world.service.cancel(job.id, "alice");
    expect(result).toMatchObject({ type: "cancelling", job: { progress: { phase: "accepted" } } });
    picked.resolve("here");
    await expectCancelled(t.world, job);
    expect(t.scheduler.submitted).toEqual([]);
  });

  test("whose input is copied ends it when the copy has ended", async () => {
    const files = heldFiles();
    await using t = await setup(files);
    const job = await t.world.submit();
    await t.world.until(job.id, "staging_in");
    expect(await t.world.service.cancel(job.id, "alice")).toMatchObject({ type: "cancelling" });
    expect((await t.world.until(job.id, "staging_in")).progress).toMatchObject({
      cancellation: { reason: "Cancelled by alice", isDelete: false },
    });
    files.upload.resolve();
    await expectCancelled(t.world, job);
    expect(t.scheduler.submitted).toEqual([]);
  });

  test("whose copy waits for another try ends it without that try", async () => {
    let copies = 0;
    const upload = async () => {
      copies += 1;
      throw new TransferError("Connection refused", { retryable: true });
    };
    await using t = await setup({ fileSystem: { ...LOCAL_FILES, isStaged: true, upload } });
    const job = await t.world.submit();
    await t.world.eventually(() => t.world.clock.nextInMs() === 1_000);
    await t.world.service.cancel(job.id, "alice");
    await t.world.clock.advance(0);
    await expectCancelled(t.world, job);
    expect(copies).toBe(1);
  });

  test("that waits for a run slot ends it at once, and the next one keeps its place", async () => {
    await using t = await setup({ capacity: 1 });
    const [running, waiting, next] = [await t.world.submit(), await t.world.submit(), await t.world.submit()];
    await t.world.until(running.id, "queued");
    await t.world.until(next.id, "waiting");
    expect(await t.world.service.cancel(waiting.id, "alice")).toMatchObject({ type: "cancelling" });
    await expectCancelled(t.world, waiting);
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await t.world.until(next.id, "queued");
  });

  test("that is being submitted waits for the answer, then ends what the scheduler has", async () => {
    await using t = await setup();
    const release = t.scheduler.hold("submit");
    const job = await t.world.submit();
    await t.world.until(job.id, "submitting");
    await t.world.service.cancel(job.id, "alice");
    release();
    await expectCancelled(t.world, job);
    expect(t.scheduler.calls.cancel).toBe(1);
  });

  test("whose submission waits for another try looks for it on the scheduler for half a minute first", async () => {
    await using t = await setup();
    t.scheduler.failNext("submit", new SchedulerUnavailableError("no answer"));
    const job = await t.world.submit();
    await t.world.eventually(() => t.world.clock.nextInMs() === 1_000);
    await t.world.service.cancel(job.id, "alice");
    await t.world.clock.advance(30_000);
    await t.world.until(job.id, "submitting");
    await t.world.clock.advance(1_000);
    await expectCancelled(t.world, job);
    expect(t.scheduler.calls).toMatchObject({ submit: 1, find: ABSENCES, cancel: 0 });
  });

  test("whose submission is refused meanwhile tells of the cancellation", async () => {
    await using t = await setup();
    const release = t.scheduler.hold("submit");
    t.scheduler.failNext("submit", new SchedulerRefusedError("No such partition"));
    const job = await t.world.submit();
    await t.world.until(job.id, "submitting");
    await t.world.service.cancel(job.id, "alice");
    release();
    await expectCancelled(t.world, job);
  });

  test.each(["queued", "running"] as const)("that is %s waits for the proof that it ended", async (phase) => {
    await using t = await setup();
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    const id = schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`);
    if (phase === "running") t.scheduler.start(id);
    await t.world.until(job.id, phase);
    const release = t.scheduler.hold("cancel");
    expect(await t.world.service.cancel(job.id, "alice")).toMatchObject({
      type: "cancelling",
      job: { progress: { phase: "cancelling", wasRunning: phase === "running" } },
    });
    await t.world.eventually(() => t.scheduler.calls.cancel === 1);
    expect((await t.world.store.get(job.id))?.progress.phase).toBe("cancelling");
    release();
    await expectCancelled(t.world, job);
    expect(t.scheduler.calls.cancel).toBe(1);
  });

  test("may be repeated while it is under way, and saves nothing more", async () => {
    const files = heldFiles();
    await using t = await setup(files);
    files.upload.resolve();
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    const release = t.scheduler.hold("cancel");
    await t.world.service.cancel(job.id, "alice");
    const { version } = await t.world.until(job.id, "cancelling");
    expect(await t.world.service.cancel(job.id, "alice")).toMatchObject({ type: "cancelling", job: { version } });
    release();
    await t.world.until(job.id, "staging_out");
    expect(await t.world.service.cancel(job.id, "alice")).toMatchObject({ type: "cancelling" });
    files.download.resolve();
    await expectCancelled(t.world, job);
    expect(await t.world.service.cancel(job.id, "alice")).toEqual({ type: "finished" });
  });

  test("goes on after a restart of the daemon", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    t.scheduler.failNext("cancel", new SchedulerUnavailableError("no answer"));
    await t.world.service.cancel(job.id, "alice");
    await t.world.eventually(() => t.scheduler.calls.cancel === 1);
    await t.world.restart();
    await expectCancelled(t.world, job);
  });

  test("comes too late when its command has ended or the job is finished", async () => {
    const files = heldFiles();
    await using t = await setup(files);
    files.upload.resolve();
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await t.world.until(job.id, "staging_out");
    expect(await t.world.service.cancel(job.id, "alice")).toEqual({ type: "past_command" });
    files.download.resolve();
    const ended = await t.world.until(job.id, "finished");
    expect(ended.progress).toMatchObject({ outcome: SUCCEEDED });
    expect(await t.world.service.cancel(job.id, "alice")).toEqual({ type: "finished" });
  });

  test("of somebody else, or that nobody has, is not found and changes nothing", async () => {
    await using t = await setup();
    const job = await t.world.submit("alice");
    await t.world.until(job.id, "queued");
    expect(await t.world.service.cancel(job.id, "bob")).toEqual({ type: "not_found" });
    expect(await t.world.service.history(job.id, "bob")).toBeUndefined();
    await t.world.until(job.id, "queued");
    await t.world.service.remove(job.id, "alice");
    expect(await t.world.service.cancel(job.id, "alice")).toEqual({ type: "not_found" });
    expect(await t.world.service.history(job.id, "alice")).toBeUndefined();
  });

  test("whose destination is not configured any more ends it also in the middle of staging", async () => {
    const world = await actorWorld({
      destinations: { here: { scheduler: controlledScheduler() } },
    });
    await using _world = world;
    const upload = "unused";
    const job = await world.store.insert(
      { name: "", application: "echo", submitter: "alice", parameters: {}, upload },
      world.clock.nowMs(),
    );
    const progress = { phase: "staging_in", destination: "gone", isStaged: false, cancellation: null } as const;
    await world.store.save({ ...job, progress }, world.clock.nowMs());
    await world.restart();
    await world.eventually(() => world.logger.lines.some(({ message }) => message.includes("is not configured")));
    expect(await world.service.cancel(job.id, "alice")).toMatchObject({ type: "cancelling" });
    await world.clock.advance(0);
    expect((await world.until(job.id, "finished")).progress).toMatchObject({ outcome: CANCELLED });
  });

  test("is told in its history, with every other step", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    await t.world.service.cancel(job.id, "alice");
    await t.world.until(job.id, "finished");
    const history = (await t.world.service.history(job.id, "alice")) ?? [];
    expect(history.map(({ phase, state, attempt, reason }) => [phase, state, attempt, reason])).toEqual([
      ["accepted", "new", 0, null],
      ["waiting", "queued", 0, null],
      ["submitting", "queued", 1, null],
      ["queued", "queued", 1, null],
      ["cancelling", "queued", 1, "Cancelled by alice"],
      ["closing", "staging_out", 1, "Cancelled by alice"],
      ["finished", "error", 1, "Cancelled by alice"],
    ]);
  });
});
