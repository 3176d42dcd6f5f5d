import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { idOfAttempt } from "../../../adapters/scheduler/attempt_id.ts";
import { directSpawner } from "../../../adapters/scheduler/direct_spawner.ts";
import { memoryScheduler } from "../../../adapters/scheduler/memory.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import {
  type Child,
  type ChildEnd,
  type Program,
  type Spawner,
  spawnerThread,
} from "../../../adapters/scheduler/spawner.ts";
import { SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../conformance/scheduler_world.ts";
import { eventually } from "../../support/eventually.ts";
import { openLocalWorld } from "../../support/local_world.ts";
import { recordingLogger } from "../../support/recording_logger.ts";

// Real processes on a busy machine.
setDefaultTimeout(30_000);

const FAULTY = new URL("./faulty_spawner_main.ts", import.meta.url);

const program = (path: string, args: readonly string[] = [], directory = "/"): Program => ({
  path,
  args,
  directory,
  environment: { PATH: process.env.PATH ?? "" },
});
const shell = (command: string): Program => program("/bin/sh", ["-c", command]);

function world(script?: URL) {
  const logger = recordingLogger();
  const spawner = spawnerThread(logger, script);
  return { logger, spawner, [Symbol.dispose]: () => spawner.close() };
}

/** Starts nothing before `open` is called. */
function gated(inner: Spawner) {
  const gate = Promise.withResolvers<void>();
  const asked: Program[] = [];
  const spawner: Spawner = {
    async spawn(one) {
      asked.push(one);
      await gate.promise;
      return inner.spawn(one);
    },
    close: () => inner.close(),
  };
  return { spawner, asked, open: gate.resolve };
}

function gatedWorld() {
  const gate = gated(spawnerThread(recordingLogger()));
  const local = openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }), { spawner: gate.spawner });
  return { ...gate, local, [Symbol.asyncDispose]: () => local[Symbol.asyncDispose]() };
}

const spawners: readonly (readonly [string, () => Spawner])[] = [
  ["on a thread of its own", () => spawnerThread(recordingLogger())],
  ["on the calling thread", directSpawner],
];

test.each(spawners)("the end of a process is told with its status or its signal: %s", async (_, make) => {
  const spawner = make();
  const children = await Promise.all(["exit 7", "kill -9 $$"].map((command) => spawner.spawn(shell(command))));
  expect(await Promise.all(children.map(({ ended }) => ended))).toEqual([
    { type: "exited", status: 7, signal: null },
    { type: "exited", status: null, signal: "SIGKILL" },
  ]);
  spawner.close();
  await expect(spawner.spawn(shell("exit 0"))).rejects.toThrow("closed");
});

test.each(
  (
    [
      ["no such program", program("/no/such/program"), "ENOENT"],
      ["no such directory", program("/bin/sh", [], "/no/such/directory"), "ENOENT"],
      ["too long an argument", shell(`: ${"x".repeat(200_000)}`), "E2BIG"],
    ] as const
  ).flatMap(([what, wrong, code]) => spawners.map(([where, make]) => [what, where, make, wrong, code] as const)),
)("what cannot be started is told with the code of the system: %s, %s", async (_, __, make, wrong, code) => {
  const spawner = make();
  await expect(spawner.spawn(wrong)).rejects.toMatchObject({ code });
  spawner.close();
});

test("when the thread ends by a fault, starts fail, ends are lost, and another thread goes on", async () => {
  using here = world(FAULTY);
  const living = await here.spawner.spawn(shell("exec sleep 300"));
  try {
    await expect(here.spawner.spawn(program("fault"))).rejects.toThrow("planted fault");
    expect(await living.ended).toEqual({ type: "lost" });
    expect(processTable().read(living.pid)).toBeDefined();
    const next = await here.spawner.spawn(shell("exit 0"));
    expect(await next.ended).toEqual({ type: "exited", status: 0, signal: null });
    expect(here.logger.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  } finally {
    process.kill(living.pid, "SIGKILL");
  }
});

/** Threads of this process that start processes (`proc_pid_comm(5)`). */
function spawnerThreads(): readonly string[] {
  return readdirSync("/proc/self/task").filter((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, "utf8") === "spawner\n";
    } catch {
      // Ended since it was listed.
      return false;
    }
  });
}

test("a process that ends after the spawner was closed is collected, and then the thread ends", async () => {
  const before = spawnerThreads();
  const { spawner } = world();
  const { pid } = await spawner.spawn(shell("exec sleep 300"));
  const thread = spawnerThreads().filter((id) => !before.includes(id));
  expect(thread).toHaveLength(1);
  spawner.close();
  await expect(spawner.spawn(shell("exit 0"))).rejects.toThrow("closed");
  process.kill(pid, "SIGKILL");
  // A zombie would still be there.
  await eventually("its end", () => !existsSync(`/proc/${pid}`));
  await eventually("the end of the thread", () => !spawnerThreads().includes(thread[0] ?? ""));
});

test("a command is followed to its end whose thread has ended by a fault", async () => {
  const spawner = spawnerThread(recordingLogger(), FAULTY);
  await using local = openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }), { spawner });
  const directory = await local.makeDirectory();
  const job = jobIn(directory, "echo $$ >pid; until [ -e go ]; do sleep 0.05; done; exit 3");
  const id = await local.scheduler.submit(job, freshTag(), signal);
  const ends: SchedulerStatus[] = [];
  local.scheduler.listen?.((_, status) => status.type === "ended" && ends.push(status));
  await eventually("the start", () => local.read(directory, "pid"));
  await expect(spawner.spawn(program("fault"))).rejects.toThrow("planted fault");
  expect((await local.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  await local.write(directory, "go", "");
  // Nobody asks.
  await eventually("the end", () => ends.length > 0);
  expect(ends).toMatchObject([{ outcome: { returnCode: 3 } }]);
});

/** A clock by which everything is due sooner. */
const hurried = (clock: Clock): Clock => ({ ...clock, after: (delayMs, run) => clock.after(delayMs / 20, run) });

test("a command is followed to its end though the runtime never tells that, and a living one is let be", async () => {
  const inner = spawnerThread(recordingLogger());
  const late: PromiseWithResolvers<ChildEnd>[] = [];
  const spawner: Spawner = {
    async spawn(one) {
      const news = Promise.withResolvers<ChildEnd>();
      late.push(news);
      return { ...(await inner.spawn(one)), ended: news.promise };
    },
    close: () => inner.close(),
  };
  const options = { spawner, clock: hurried(systemClock()) };
  await using local = openLocalWorld((given) => memoryScheduler({ ...given, slots: 3 }), options);
  const directory = await local.makeDirectory();
  const ends: SchedulerStatus[] = [];
  local.scheduler.listen?.((_, status) => status.type === "ended" && ends.push(status));
  const livingId = await local.scheduler.submit(jobIn(await local.makeDirectory(), "sleep 300"), freshTag(), signal);
  await local.scheduler.submit(jobIn(directory, "exit 3"), freshTag(), signal);
  // Nobody asks.
  await eventually("the end", () => ends.length > 0);
  late[1]?.resolve({ type: "exited", status: 0, signal: null });
  await Bun.sleep(0);
  expect(ends).toMatchObject([{ outcome: { returnCode: 3 } }]);
  expect(local.logger.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  await local.scheduler.cancel(livingId, signal);
});

test("an attempt that is being started is started once, whoever asks", async () => {
  await using here = gatedWorld();
  const { scheduler } = here.local;
  const directory = await here.local.makeDirectory();
  const tag = freshTag();
  const job = jobIn(directory, "echo once >>ledger");
  const calledOff = new AbortController();
  const first = scheduler.submit(job, tag, calledOff.signal);
  const second = scheduler.submit(job, tag, signal);
  const found = scheduler.find(tag, signal);
  calledOff.abort();
  await expect(first).rejects.toBeInstanceOf(SchedulerUnavailableError);
  const id = idOfAttempt(tag, processTable().bootId);
  expect((await scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  expect(here.asked).toHaveLength(1);
  here.open();
  expect(await Promise.all([second, found])).toEqual([id, id]);
  expect(await untilEnded(scheduler, id)).toMatchObject({ returnCode: 0 });
  expect(here.asked).toHaveLength(1);
  expect(await here.local.read(directory, "ledger")).toBe("once\n");
});

test("cancel() ends what is being started", async () => {
  await using here = gatedWorld();
  const { scheduler } = here.local;
  const directory = await here.local.makeDirectory();
  const tag = freshTag();
  const submitted = scheduler.submit(jobIn(directory, "exec sleep 300"), tag, signal);
  const cancelled = scheduler.cancel(idOfAttempt(tag, processTable().bootId), signal);
  here.open();
  const id = await submitted;
  await cancelled;
  expect(processTable().isAnyLiving(undefined, false, tag)).toBe(false);
  expect((await scheduler.statuses([id], signal)).get(id)?.type).toBe("ended");
});

test("close() while a command is being started makes submit() throw, and the next daemon finds it", async () => {
  const gate = gated(spawnerThread(recordingLogger()));
  await using local = openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }));
  let started: Promise<Child> | undefined;
  const spawner: Spawner = {
    spawn(one) {
      started = gate.spawner.spawn(one);
      return started;
    },
    close: () => undefined,
  };
  const first = memoryScheduler({ ...local.options, slots: 1, spawner });
  const directory = await local.makeDirectory();
  const tag = freshTag();
  const submitted = first.submit(jobIn(directory, "exec sleep 300"), tag, signal);
  await first.close();
  gate.open();
  await expect(submitted).rejects.toBeInstanceOf(SchedulerUnavailableError);
  await started;
  const id = await eventually("its being found", () => local.scheduler.find(tag, signal));
  await local.scheduler.cancel(id, signal);
  expect(processTable().isAnyLiving(undefined, false, tag)).toBe(false);
  gate.spawner.close();
});
