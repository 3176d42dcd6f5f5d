import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { destinationName } from "../../actors/messages.ts";
import {
  BartenderError,
  SchedulerRefusedError,
  SchedulerUnavailableError,
  TransferError,
} from "../../src/core/errors.ts";
import { jobId, schedulerJobId } from "../../src/core/ids.ts";
import { type Job, schedulerJobIdOf } from "../../src/core/job.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import { type ActorWorld, actorWorld, LOCAL_FILES } from "../support/actor_world.ts";
import { type ControlledScheduler, controlledScheduler } from "../support/controlled_scheduler.ts";
import { FAILED, KILLED, SUCCEEDED } from "../support/job_builder.ts";

async function setup(options: { capacity?: number; canPush?: boolean; fileSystem?: FileSystem } = {}) {
  const scheduler = controlledScheduler(options);
  const { fileSystem = LOCAL_FILES } = options;
  const world = await actorWorld({ destinations: { here: { scheduler, fileSystem } } });
  return { scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** The scheduler's id of a job that it has. */
async function withScheduler(world: ActorWorld, job: Job) {
  const id = schedulerJobIdOf((await world.until(job.id, "queued")).progress);
  if (id === null) throw new Error("The job has no id on its scheduler");
  return id;
}

function endAll(scheduler: ControlledScheduler): void {
  for (const { tag } of scheduler.submitted) scheduler.end(schedulerJobId(`s-${tag}`), SUCCEEDED);
}

const readLog = (world: ActorWorld, job: Job, name: string) =>
  readFileSync(join(world.jobRootDir, String(job.id), name), "utf8");

describe("a job", () => {
  test("goes from submission to its end, each phase saved once and in order", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    const id = await withScheduler(t.world, job);
    t.scheduler.start(id);
    await t.world.until(job.id, "running");
    t.scheduler.end(id, SUCCEEDED);
    const ended = await t.world.until(job.id, "finished");
    expect(ended.progress).toMatchObject({ outcome: SUCCEEDED, placement: { destination: "here", isStaged: false } });
    expect((await t.world.store.history(job.id)).map(({ phase }) => phase)).toEqual([
      "accepted",
      "waiting",
      "submitting",
      "queued",
      "running",
      "finished",
    ]);
    expect(t.scheduler.submitted).toMatchObject([
      {
        job: {
          command: "echo hello",
          application: "echo",
          submitter: "alice",
          directory: join(t.world.jobRootDir, "1"),
        },
      },
    ]);
    await t.world.eventually(() => t.scheduler.forgotten.length === 1);
  });

  test("has times that only move forward, also when the clock of the machine is set back", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    const id = await withScheduler(t.world, job);
    t.world.clock.step(-3_600_000);
    t.scheduler.start(id);
    await t.world.until(job.id, "running");
    await t.world.restart();
    t.world.clock.step(-3_600_000);
    t.scheduler.end(id, SUCCEEDED);
    const ended = await t.world.pass(job.id, "finished");
    const times = [ended.createdOnMs, ended.submittedOnMs, ended.startedOnMs, ended.updatedOnMs];
    expect(times.toSorted((a, b) => Number(a) - Number(b))).toEqual(times);
    expect(ended.finishedOnMs).toBe(ended.updatedOnMs);
    const history = (await t.world.store.history(job.id)).map(({ onMs }) => onMs);
    expect(history.toSorted((a, b) => a - b)).toEqual(history);
  });

  test("whose command fails ends in error with its return code", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    t.scheduler.end(await withScheduler(t.world, job), FAILED);
    expect((await t.world.until(job.id, "finished")).progress).toMatchObject({ outcome: FAILED });
  });

  test("that was killed tells why in its stderr", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    t.scheduler.end(await withScheduler(t.world, job), KILLED);
    await t.world.until(job.id, "finished");
    expect(readLog(t.world, job, "stderr.txt")).toBe("bartender: Ended by signal 9\n");
  });

  test("leaves no actor behind when it has ended", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    t.scheduler.end(await withScheduler(t.world, job), SUCCEEDED);
    await t.world.until(job.id, "finished");
    await t.world.eventually(() => !JSON.stringify(t.world.system.inspect()).includes("job:1"));
  });

  test("is polled for when the scheduler cannot push", async () => {
    await using t = await setup({ canPush: false });
    const job = await t.world.submit();
    const id = await withScheduler(t.world, job);
    expect(t.scheduler.calls.statuses).toBe(0);
    t.scheduler.end(id, SUCCEEDED);
    await t.world.clock.advance(5_000);
    await t.world.until(job.id, "finished");
    expect(t.scheduler.calls.statuses).toBe(1);
  });
});

describe("the poller", () => {
  test("asks once per tick for all jobs", async () => {
    await using t = await setup({ canPush: false });
    const jobs = await Promise.all(Array.from({ length: 20 }, () => t.world.submit()));
    for (const job of jobs) await t.world.until(job.id, "queued");
    await t.world.clock.advance(5_000);
    expect(t.scheduler.calls.statuses).toBe(1);
    endAll(t.scheduler);
    await t.world.clock.advance(5_000);
    for (const job of jobs) await t.world.until(job.id, "finished");
    expect(t.scheduler.calls.statuses).toBe(2);
  });

  test("changes nothing when the scheduler does not answer or no longer knows a job", async () => {
    await using t = await setup({ canPush: false });
    const job = await t.world.submit();
    const id = await withScheduler(t.world, job);
    t.scheduler.end(id, SUCCEEDED);
    t.scheduler.failNext("statuses", new SchedulerUnavailableError("slurmctld is away"));
    await t.world.clock.advance(5_000);
    await t.world.eventually(() => t.world.logger.lines.some(({ fields }) => fields.reason === "slurmctld is away"));
    await t.world.until(job.id, "queued");
    await t.world.clock.advance(5_000);
    await t.world.until(job.id, "finished");
  });
});

describe("run slots", () => {
  test("limit how many jobs are with the scheduler, and come back at the end", async () => {
    await using t = await setup({ capacity: 2 });
    const jobs = [];
    for (let n = 0; n < 5; n++) jobs.push(await t.world.submit());
    await t.world.eventually(() => t.scheduler.submitted.length === 2);
    for (const job of jobs.slice(2)) await t.world.until(job.id, "waiting");
    endAll(t.scheduler);
    await t.world.eventually(() => t.scheduler.submitted.length === 4);
    endAll(t.scheduler);
    await t.world.eventually(() => t.scheduler.submitted.length === 5);
    endAll(t.scheduler);
    for (const job of jobs) await t.world.until(job.id, "finished");
  });

  test("are shared fairly between submitters", async () => {
    await using t = await setup({ capacity: 1 });
    const alice = [await t.world.submit("alice"), await t.world.submit("alice"), await t.world.submit("alice")];
    for (const job of alice.slice(1)) await t.world.until(job.id, "waiting");
    const bob = await t.world.submit("bob");
    await t.world.until(bob.id, "waiting");
    endAll(t.scheduler);
    await t.world.eventually(() => t.scheduler.submitted.length === 2);
    expect(t.scheduler.submitted[1]?.job.submitter).toBe("bob");
  });

  test("are rebuilt after a restart, before anybody gets one", async () => {
    await using t = await setup({ capacity: 1 });
    const [first, second] = [await t.world.submit(), await t.world.submit()];
    await t.world.until(first.id, "queued");
    await t.world.until(second.id, "waiting");
    await t.world.restart();
    expect(t.world.recovered).toBe(2);
    await t.world.clock.advance(1_000);
    expect(t.scheduler.submitted.length).toBe(1);
    endAll(t.scheduler);
    await t.world.until(first.id, "finished");
    await t.world.until(second.id, "queued");
  });

  test("survive a crash of the destination's actors", async () => {
    await using t = await setup({ capacity: 1 });
    const [first, second] = [await t.world.submit(), await t.world.submit()];
    await t.world.until(first.id, "queued");
    await t.world.until(second.id, "waiting");
    const slots = t.world.system.find(destinationName("here"));
    slots?.send({
      type: "describe",
      reply: () => {
        throw new Error("planted fault");
      },
    });
    await t.world.clock.advance(1_000);
    await t.world.clock.advance(10_000);
    const crashes = t.world.events.filter(({ type }) => type === "crashed").map(({ path }) => path);
    expect(crashes).toEqual(["bartender/destinations/destination:here/slots"]);
    expect(t.scheduler.submitted.length).toBe(1);
    endAll(t.scheduler);
    await t.world.until(first.id, "finished");
    await t.world.until(second.id, "queued");
    endAll(t.scheduler);
    await t.world.until(second.id, "finished");
  });
});

describe("a submission", () => {
  test("without an answer is repeated with the same tag until there is one, and runs once", async () => {
    await using t = await setup();
    t.scheduler.failNext(
      "submit",
      new SchedulerUnavailableError("timed out"),
      new SchedulerUnavailableError("timed out"),
    );
    const job = await t.world.submit();
    await t.world.eventually(() => t.scheduler.calls.submit === 1);
    await t.world.until(job.id, "submitting");
    await t.world.clock.advance(1_000);
    await t.world.eventually(() => t.scheduler.calls.submit === 2);
    await t.world.clock.advance(2_000);
    await withScheduler(t.world, job);
    expect(t.scheduler.submitted.length).toBe(1);
    expect((await t.world.store.get(job.id))?.attempt).toBe(1);
  });

  test("that is refused ends the job with the reason", async () => {
    await using t = await setup({ capacity: 1 });
    t.scheduler.failNext("submit", new SchedulerRefusedError("Machine load is too high"));
    const [job, next] = [await t.world.submit(), await t.world.submit()];
    expect((await t.world.until(job.id, "finished")).progress).toMatchObject({
      outcome: { isOk: false, returnCode: null, reason: "Machine load is too high" },
    });
    expect(readLog(t.world, job, "stderr.txt")).toBe("bartender: Machine load is too high\n");
    await t.world.until(next.id, "queued");
  });

  test("continues after a restart in its middle with the same tag", async () => {
    await using t = await setup();
    const release = t.scheduler.hold("submit");
    const job = await t.world.submit();
    await t.world.eventually(() => t.scheduler.calls.submit === 1);
    const stopped = t.world.restart();
    await t.world.clock.advance(10_000);
    release();
    await stopped;
    await withScheduler(t.world, job);
    expect(new Set(t.scheduler.submitted.map(({ tag }) => tag)).size).toBe(1);
    expect((await t.world.store.get(job.id))?.attempt).toBe(1);
  });
});

describe("the destination picker", () => {
  test("that fails or names an unknown destination ends the job with the reason", async () => {
    const pick = ({ application }: { application: string }): string => {
      if (application === "echo") throw new BartenderError("pick_failed", "No destination is named like it");
      return "nowhere";
    };
    await using world = await actorWorld({ destinations: { here: { scheduler: controlledScheduler() } }, pick });
    const failed = await world.submit("alice", "echo");
    const unknown = await world.submit("alice", "other");
    await world.until(failed.id, "finished");
    await world.until(unknown.id, "finished");
    expect(readLog(world, failed, "stderr.txt")).toBe("bartender: No destination is named like it\n");
    expect(readLog(world, unknown, "stderr.txt")).toContain('"nowhere", which is not configured');
    expect(readLog(world, unknown, "stdout.txt")).toBe("");
  });
});

describe("staging", () => {
  function remoteFiles() {
    const calls: string[] = [];
    const faults: Error[] = [];
    const files: FileSystem = {
      isStaged: true,
      locate: (id) => `/remote/${id}`,
      async upload(_local, remote) {
        calls.push(`upload ${remote}`);
        const fault = faults.shift();
        if (fault !== undefined) throw fault;
      },
      async download(remote) {
        calls.push(`download ${remote}`);
      },
      async remove(remote) {
        calls.push(`remove ${remote}`);
      },
      async close() {},
    };
    return { calls, faults, files };
  }

  test("copies in before the submission, copies out and removes the remote copy after the end", async () => {
    const remote = remoteFiles();
    await using t = await setup({ fileSystem: remote.files });
    const job = await t.world.submit();
    const id = await withScheduler(t.world, job);
    expect(remote.calls).toEqual(["upload /remote/1"]);
    expect(t.scheduler.submitted[0]?.job.directory).toBe("/remote/1");
    t.scheduler.end(id, SUCCEEDED);
    await t.world.until(job.id, "finished");
    expect(remote.calls).toEqual(["upload /remote/1", "download /remote/1", "remove /remote/1"]);
  });

  test("tries again after a lost link, and gives up at a definite fault", async () => {
    const remote = remoteFiles();
    await using t = await setup({ fileSystem: remote.files });
    remote.faults.push(
      new TransferError("Connection lost", { retryable: true }),
      new TransferError("Disk quota exceeded", { retryable: false }),
    );
    const job = await t.world.submit();
    await t.world.eventually(() => remote.calls.length === 1);
    await t.world.until(job.id, "staging_in");
    await t.world.eventually(() => t.world.clock.nextInMs() === 1_000);
    await t.world.clock.advance(1_000);
    expect((await t.world.until(job.id, "finished")).progress).toMatchObject({
      outcome: { isOk: false, reason: "Input could not be copied to the destination: Disk quota exceeded" },
    });
  });

  test("refuses a deletion while files are in transit", async () => {
    const remote = remoteFiles();
    const { promise, resolve } = Promise.withResolvers<void>();
    await using t = await setup({ fileSystem: { ...remote.files, upload: () => promise } });
    const job = await t.world.submit();
    await t.world.until(job.id, "staging_in");
    expect(await t.world.service.remove(job.id, "alice")).toBe("in_transit");
    resolve();
    await t.world.until(job.id, "queued");
  });
});

describe("a deletion", () => {
  test("of a running job ends the command first, then removes directory and row", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    const id = await withScheduler(t.world, job);
    t.scheduler.start(id);
    await t.world.until(job.id, "running");
    const release = t.scheduler.hold("cancel");
    const removed = t.world.service.remove(job.id, "alice");
    await t.world.until(job.id, "cancelling");
    expect(existsSync(join(t.world.jobRootDir, "1"))).toBe(true);
    release();
    expect(await removed).toBe("deleted");
    expect(readdirSync(t.world.jobRootDir)).toEqual([]);
    expect(await t.world.store.get(job.id)).toBeUndefined();
  });

  test("works in every state, and is not_found the second time", async () => {
    await using t = await setup({ capacity: 1 });
    const [running, waiting] = [await t.world.submit(), await t.world.submit()];
    await t.world.until(running.id, "queued");
    await t.world.until(waiting.id, "waiting");
    expect(await t.world.service.remove(waiting.id, "alice")).toBe("deleted");
    endAll(t.scheduler);
    await t.world.until(running.id, "finished");
    expect(await t.world.service.remove(running.id, "alice")).toBe("deleted");
    expect(await t.world.service.remove(running.id, "alice")).toBe("not_found");
    expect(readdirSync(t.world.jobRootDir)).toEqual([]);
  });

  test("of somebody else's job is not_found and changes nothing", async () => {
    await using t = await setup();
    const job = await t.world.submit("alice");
    await t.world.until(job.id, "queued");
    expect(await t.world.service.remove(job.id, "bob")).toBe("not_found");
    await t.world.until(job.id, "queued");
  });

  test("is tried again until the scheduler proves the end of the command", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    await withScheduler(t.world, job);
    t.scheduler.failNext("cancel", new SchedulerUnavailableError("no answer"));
    const removed = t.world.service.remove(job.id, "alice");
    await t.world.eventually(() => t.scheduler.calls.cancel === 1);
    await t.world.eventually(() => t.world.clock.nextInMs() === 1_000);
    await t.world.clock.advance(1_000);
    expect(await removed).toBe("deleted");
    expect(t.scheduler.calls.cancel).toBe(2);
  });
});

describe("JobService", () => {
  test("submit() leaves directories alone that a restored database does not know, and takes the next free number", async () => {
    await using t = await setup();
    for (const taken of ["1", "2"]) mkdirSync(join(t.world.jobRootDir, taken));
    expect((await t.world.submit()).id).toBe(jobId(3));
    for (const taken of [1, 2]) {
      expect(await t.world.store.get(jobId(taken))).toBeUndefined();
      expect(readdirSync(join(t.world.jobRootDir, String(taken)))).toEqual([]);
    }
  });

  test("submitOnce() does so, too, and keeps its key", async () => {
    await using t = await setup();
    mkdirSync(join(t.world.jobRootDir, "1"));
    const once = { key: "k", digest: "d" };
    const upload = (name: string) => {
      mkdirSync(join(t.world.uploadDir, name));
      return { name: "input.zip", application: "echo", submitter: "alice", parameters: {}, upload: name };
    };
    const first = await t.world.service.submitOnce(upload("first"), once);
    expect(first).toMatchObject({ type: "submitted", job: { id: 2 } });
    expect(await t.world.service.submitOnce(upload("second"), once)).toMatchObject({ type: "known" });
  });

  test("submit() leaves no row when the upload is lost", async () => {
    await using t = await setup();
    const job = { name: "x", application: "echo", submitter: "alice", parameters: {}, upload: "lost" };
    await expect(t.world.service.submit(job)).rejects.toThrow("Upload of job 1 is lost");
    expect(await t.world.store.get(jobId(1))).toBeUndefined();
  });

  test("shows a job to its submitter only", async () => {
    await using t = await setup();
    const job = await t.world.submit("alice");
    expect((await t.world.service.get(job.id, "alice"))?.id).toBe(job.id);
    expect(await t.world.service.get(job.id, "bob")).toBeUndefined();
    expect(await t.world.service.list({ submitter: "bob", limit: 10, offset: 0 })).toEqual([]);
    expect(await t.world.service.rename(job.id, "bob", "mine")).toBe(false);
    expect(await t.world.service.rename(job.id, "alice", "mine")).toBe(true);
    expect((await t.world.service.get(job.id, "alice"))?.name).toBe("mine");
  });

  test("keeps a new name while the job goes on", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    const id = await withScheduler(t.world, job);
    await t.world.service.rename(job.id, "alice", "my protein");
    t.scheduler.end(id, SUCCEEDED);
    expect((await t.world.until(job.id, "finished")).name).toBe("my protein");
  });

  test("asks less and less while nothing changes, and soon again when a job comes or changes", async () => {
    await using t = await setup({ canPush: false });
    const first = await t.world.submit();
    const id = await withScheduler(t.world, first);
    const asked = async (afterMs: number): Promise<number> => {
      for (let ms = 0; ms < afterMs; ms += 500) {
        await t.world.clock.advance(500);
        // The answer sets the pace of the next question.
        const { statuses } = t.scheduler.calls;
        await t.world.eventually(() => t.scheduler.calls.statuses === statuses);
      }
      return t.scheduler.calls.statuses;
    };
    expect(await asked(5_000)).toBe(1);
    const quiet = await asked(600_000);
    expect(quiet).toBeLessThan(25);
    expect(quiet).toBeGreaterThan(8);
    await t.world.submit();
    await t.world.eventually(() => t.scheduler.submitted.length === 2);
    expect(await asked(5_000)).toBe(quiet + 1);
    t.scheduler.end(id, SUCCEEDED);
    await t.world.pass(first.id, "finished");
  });
});
