import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { destinationName, jobName } from "../../actors/messages.ts";
import { BusyError, StoreUnavailableError } from "../../src/core/errors.ts";
import { type JobId, schedulerJobId } from "../../src/core/ids.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { type ActorWorld, actorWorld, LOCAL_FILES } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { KILLED, SUCCEEDED } from "../support/job_builder.ts";

async function setup(
  options: {
    readonly capacity?: number;
    readonly canPush?: boolean;
    readonly fileSystem?: FileSystem;
    readonly wrapStore?: (store: JobStore) => JobStore;
    readonly pick?: (job: { readonly jobDir: string }) => string;
  } = {},
) {
  const { fileSystem = LOCAL_FILES, ...rest } = options;
  const scheduler = controlledScheduler(options);
  const world = await actorWorld({ destinations: { here: { scheduler, fileSystem } }, ...rest });
  return { scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** The real store, but for some of its methods. */
function overriding(store: JobStore, changes: Partial<JobStore>): JobStore {
  return new Proxy(store, {
    get(target, name, self) {
      const value = Reflect.get(name in changes ? changes : target, name, self);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Makes the actor of a job crash, as a defect of its own would. */
function crash(world: ActorWorld, id: JobId): void {
  const message = { type: "planted fault" } as never;
  expect(world.system.find(jobName(id))?.send(message)).toBe("delivered");
}

function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

const actorsOf = (world: ActorWorld) => JSON.stringify(world.system.inspect()).match(/job:\d+"/g) ?? [];

describe("a run slot", () => {
  test("stays taken while its job has no actor, as the command lives on", async () => {
    await using t = await setup({ capacity: 1 });
    const [first, second] = [await t.world.submit(), await t.world.submit()];
    await t.world.until(first.id, "queued");
    await t.world.until(second.id, "waiting");
    crash(t.world, first.id);
    await t.world.clock.advance(10_000);
    expect(t.scheduler.submitted.length).toBe(1);
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await t.world.until(first.id, "finished");
    await t.world.until(second.id, "queued");
  });

  test("that was granted just before its owner crashed is not given to somebody else as well", async () => {
    const saving = gate();
    await using t = await setup({
      capacity: 1,
      wrapStore: (store) =>
        overriding(store, {
          async save(job, nowMs) {
            if (job.id === 1 && job.progress.phase === "submitting") await saving.passed;
            return await store.save(job, nowMs);
          },
        }),
    });
    const [first, second] = [await t.world.submit(), await t.world.submit()];
    await t.world.until(second.id, "waiting");
    t.world.system.find(destinationName("here"))?.send({ type: "planted fault" } as never);
    await t.world.clock.advance(1_000);
    await t.world.clock.advance(1_000);
    saving.open();
    await t.world.until(first.id, "queued");
    await t.world.clock.advance(60_000);
    expect(t.scheduler.submitted.length).toBe(1);
  });

  test("that a job was granted before it asked anew is not taken by it, as it may be somebody else's by then", async () => {
    const reading = gate();
    let isSlow = false;
    await using t = await setup({
      capacity: 1,
      wrapStore: (store) =>
        overriding(store, {
          async get(id) {
            if (id === 2 && isSlow) await reading.passed;
            return await store.get(id);
          },
        }),
    });
    const [first, second] = [await t.world.submit(), await t.world.submit("bob")];
    await t.world.until(first.id, "queued");
    await t.world.until(second.id, "waiting");
    const slots = t.world.system.find(destinationName("here"));
    // The second job's actor starts anew and takes its time; meanwhile it is told to ask again, what its earlier life asked for
    // is granted, and the slots start anew as well.
    isSlow = true;
    crash(t.world, second.id);
    await t.world.clock.advance(1_000);
    const job = t.world.system.find(jobName(second.id));
    if (slots === undefined || job === undefined) throw new Error("The actors are not there");
    job.send({ type: "destination_restarted" });
    slots.send({ type: "request_slot", id: second.id, submitter: "bob", job, ticket: { id: second.id } });
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await t.world.until(first.id, "finished");
    slots.send({ type: "planted fault" } as never);
    await t.world.clock.advance(1_000);
    await t.world.clock.advance(1_000);
    const third = await t.world.submit("carol");
    await t.world.until(third.id, "waiting");
    isSlow = false;
    reading.open();
    await t.world.eventually(() => t.scheduler.submitted.length > 1);
    await t.world.clock.advance(60_000);
    expect(t.scheduler.submitted.length).toBe(2);
  });
});

describe("a copy", () => {
  test("that an earlier life of the job asked for does not count while another is under way", async () => {
    const gates = [gate(), gate()];
    let uploads = 0;
    const fileSystem: FileSystem = {
      ...LOCAL_FILES,
      isStaged: true,
      upload: async () => await gates[uploads++]?.passed,
    };
    await using t = await setup({ fileSystem });
    const job = await t.world.submit();
    await t.world.eventually(() => uploads === 1);
    crash(t.world, job.id);
    await t.world.eventually(() => t.world.events.some(({ type }) => type === "restart_planned"));
    gates[0]?.open();
    await t.world.clock.advance(1_000);
    await t.world.eventually(() => uploads === 2);
    await t.world.clock.advance(1_000);
    await t.world.until(job.id, "staging_in");
    gates[1]?.open();
    await t.world.until(job.id, "queued");
  });
});

describe("the poller", () => {
  test("does not tell a job what was asked about an earlier one with the same number", async () => {
    const number = schedulerJobId("7");
    const asking = gate();
    const scheduler = {
      ...controlledScheduler({ canPush: false, capacity: 1 }),
      submit: async () => number,
      statuses: async () => {
        await asking.passed;
        return new Map([[number, { type: "ended", outcome: SUCCEEDED } as const]]);
      },
      cancel: async () => {},
    };
    await using world = await actorWorld({ destinations: { here: { scheduler } } });
    const [first, second] = [await world.submit(), await world.submit()];
    await world.until(first.id, "queued");
    await world.clock.advance(5_000);
    expect(await world.service.remove(first.id, "alice")).toBe("deleted");
    await world.until(second.id, "queued");
    asking.open();
    await world.clock.advance(0);
    await world.until(second.id, "queued");
    await world.clock.advance(5_000);
    await world.until(second.id, "finished");
  });
});

describe("a deletion", () => {
  test("is recorded before the job's user is told of it, whatever the store does", async () => {
    const saving = gate();
    const wrapStore = (store: JobStore): JobStore =>
      overriding(store, {
        async save(job, nowMs) {
          if (job.progress.phase === "cancelling") await saving.passed;
          return await store.save(job, nowMs);
        },
      });
    await using t = await setup({ wrapStore });
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    const removed = t.world.service.remove(job.id, "alice").catch((error: unknown) => error);
    await t.world.clock.advance(20_000);
    expect(await removed).toBeInstanceOf(BusyError);
    saving.open();
  });

  test("hides the job as soon as it is recorded", async () => {
    await using t = await setup();
    const earlier = await t.world.submit();
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    const release = t.scheduler.hold("cancel");
    const removed = t.world.service.remove(job.id, "alice");
    await t.world.until(job.id, "cancelling");
    await t.world.clock.advance(20_000);
    expect(await removed).toBe("deleted");
    expect(await t.world.service.get(job.id, "alice")).toBeUndefined();
    const listed = await t.world.service.list({ submitter: "alice", limit: 1, offset: 0 });
    expect(listed.map(({ id }) => id)).toEqual([earlier.id]);
    expect(await t.world.service.remove(job.id, "alice")).toBe("not_found");
    release();
    await t.world.eventually(async () => (await t.world.store.get(job.id)) === undefined);
  });

  test("of a job that is given up stays a deletion", async () => {
    await using t = await setup();
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    const release = t.scheduler.hold("cancel");
    const removed = t.world.service.remove(job.id, "alice").catch(() => {});
    await t.world.until(job.id, "cancelling");
    for (let count = 0; count < 10; count++) crash(t.world, job.id);
    release();
    await t.world.clock.advance(30_000);
    await removed;
    expect(t.world.events.some(({ type }) => type === "gave_up")).toBe(true);
    await t.world.restart();
    await t.world.eventually(async () => (await t.world.store.get(job.id)) === undefined);
  });
});

describe("a submission", () => {
  test("that meets the end of the daemon is kept for the next one", async () => {
    await using t = await setup();
    const uploadDir = t.world.service.uploadDir;
    mkdirSync(join(uploadDir, "late"));
    const submitted = t.world.service.submit({
      ...{ name: "late", application: "echo", submitter: "alice", parameters: {}, upload: "late" },
    });
    await t.world.system.stop();
    const job = await submitted;
    await t.world.restart();
    await t.world.until(job.id, "queued");
    expect(readdirSync(t.world.jobRootDir)).toEqual(["1"]);
  });
});

describe("a life of a job's actor", () => {
  test("waits for a store that is away, which costs the job none of its restarts", async () => {
    let faults = 0;
    const wrapStore = (store: JobStore): JobStore =>
      overriding(store, {
        async get(id) {
          if (faults > 0) {
            faults -= 1;
            throw new StoreUnavailableError("away");
          }
          return await store.get(id);
        },
      });
    await using t = await setup({ wrapStore });
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    faults = 10;
    crash(t.world, job.id);
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await t.world.eventually(async () => {
      await t.world.clock.advance(10_000);
      return faults === 0;
    });
    await t.world.pass(job.id, "finished");
    expect(t.world.events.filter(({ type }) => type === "crashed").length).toBe(1);
  });

  test("ends when it finds the job at its end", async () => {
    let hasFailed = false;
    const wrapStore = (store: JobStore): JobStore =>
      overriding(store, {
        async save(job, nowMs) {
          const saved = await store.save(job, nowMs);
          if (job.progress.phase !== "finished" || hasFailed) return saved;
          hasFailed = true;
          throw new Error("planted fault");
        },
      });
    await using t = await setup({ wrapStore });
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await t.world.until(job.id, "finished");
    await t.world.clock.advance(1_000);
    await t.world.eventually(() => actorsOf(t.world).length === 0);
  });
});

describe("the end of a job", () => {
  test("removes the copy at the destination even when the reason cannot be written down", async () => {
    const removed: string[] = [];
    const fileSystem: FileSystem = {
      ...LOCAL_FILES,
      isStaged: true,
      remove: async (remote) => void removed.push(remote),
    };
    const pick = ({ jobDir }: { readonly jobDir: string }): string => {
      mkdirSync(join(jobDir, "stderr.txt"));
      return "here";
    };
    await using t = await setup({ fileSystem, pick });
    const job = await t.world.submit();
    await t.world.until(job.id, "queued");
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), KILLED);
    await t.world.until(job.id, "finished");
    expect(removed).toEqual([join(t.world.jobRootDir, "1")]);
  });
});
