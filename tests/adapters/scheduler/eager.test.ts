import { expect, test } from "bun:test";
import { type EagerSchedulerOptions, eagerScheduler } from "../../../adapters/scheduler/eager.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import { SchedulerRefusedError, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { SchedulerJobId } from "../../../src/core/ids.ts";
import type { Outcome } from "../../../src/core/job.ts";
import type { Scheduler } from "../../../src/ports/scheduler.ts";
import { schedulerSuite } from "../../conformance/scheduler_suite.ts";
import {
  freshTag,
  jobIn,
  pidsIn,
  STUBBORN,
  signal,
  untilEnded,
  WAITS_FOR_GO,
} from "../../conformance/scheduler_world.ts";
import { eventually } from "../../support/eventually.ts";
import { openLocalWorld } from "../../support/local_world.ts";
import { ManualClock } from "../../support/manual_clock.ts";

schedulerSuite(
  "eager",
  async () =>
    openLocalWorld((options) => eagerScheduler({ ...options, maxLoad: 1, timeoutS: 300, loadPerCpu: () => 0 })),
  { startsWithinMs: 20_000, waivers: {} },
);

/** A world whose time and load stand still until the test moves them. */
function setup(overrides: Partial<EagerSchedulerOptions> = {}) {
  const clock = new ManualClock();
  const machine = { load: 0 };
  const world = openLocalWorld((options) =>
    eagerScheduler({ ...options, maxLoad: 1, timeoutS: 300, loadPerCpu: () => machine.load, ...overrides, clock }),
  );
  /** Real processes need real time to end, and the pauses between the looks at them need the manual one to go on. */
  const untilEndedInTime = (scheduler: Scheduler, id: SchedulerJobId): Promise<Outcome> =>
    eventually("the end", async () => {
      await clock.advance(10);
      const status = (await scheduler.statuses([id], signal)).get(id);
      return status?.type === "ended" && status.outcome;
    });
  return { clock, machine, world, untilEndedInTime, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** `expect().rejects` cannot be used where time has to be moved: it lets nothing else run. */
function faultOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test("any number of jobs may be with it", async () => {
  await using here = setup();
  expect(here.world.scheduler.capacity).toBe(Number.POSITIVE_INFINITY);
});

test("a job waits until the load has dropped to the limit", async () => {
  await using here = setup();
  const { clock, machine, world } = here;
  machine.load = 1.5;
  const directory = await world.makeDirectory();
  let id: SchedulerJobId | undefined;
  const submitted = world.scheduler.submit(jobIn(directory, "true"), freshTag(), signal).then((answer) => {
    id = answer;
    return answer;
  });
  await clock.advance(30_000);
  expect(id).toBeUndefined();
  machine.load = 1;
  await clock.advance(1000);
  expect(await untilEnded(world.scheduler, await submitted)).toMatchObject({ isOk: true });
});

test("a job is refused when the load stays too high", async () => {
  await using here = setup();
  const { clock, machine, world } = here;
  machine.load = 3.1999;
  const tag = freshTag();
  const submitted = world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), tag, signal);
  const refusal = faultOf(submitted);
  await clock.advance(59_000);
  expect(clock.pending).toBe(1);
  await clock.advance(1000);
  expect(await refusal).toEqual(
    new SchedulerRefusedError("Machine load is too high (3.2 per CPU, limit 1), gave up after 60 s"),
  );
  expect(clock.pending).toBe(0);
  expect(await world.scheduler.find(tag, signal)).toBeUndefined();
});

test("a waiting job can be called off, and starts nothing then", async () => {
  await using here = setup();
  here.machine.load = 2;
  const calledOff = new AbortController();
  const job = jobIn(await here.world.makeDirectory(), "touch ran");
  const submitted = here.world.scheduler.submit(job, freshTag(), calledOff.signal);
  const refusal = faultOf(submitted);
  await here.clock.advance(5000);
  calledOff.abort();
  expect(await refusal).toBeInstanceOf(SchedulerUnavailableError);
  expect(here.clock.pending).toBe(0);
  expect(await here.world.read(job.directory, "stdout.txt")).toBeUndefined();
});

test("close() calls waiting jobs off", async () => {
  await using here = setup();
  here.machine.load = 2;
  const job = jobIn(await here.world.makeDirectory(), "true");
  const submitted = here.world.scheduler.submit(job, freshTag(), signal);
  const refusal = faultOf(submitted);
  await here.clock.advance(1000);
  await here.world.scheduler.close();
  expect(await refusal).toBeInstanceOf(SchedulerUnavailableError);
});

test("a job that is known does not wait", async () => {
  await using here = setup();
  const { machine, world } = here;
  const tag = freshTag();
  const job = jobIn(await world.makeDirectory(), "true");
  const id = await world.scheduler.submit(job, tag, signal);
  await untilEnded(world.scheduler, id);
  machine.load = 9;
  expect(await world.scheduler.submit(job, tag, signal)).toBe(id);
});

test("the load of this machine is looked at when nothing else is given", async () => {
  await using idle = openLocalWorld((options) => eagerScheduler({ ...options, maxLoad: 1e6, timeoutS: 9 }));
  const id = await idle.scheduler.submit(jobIn(await idle.makeDirectory(), "true"), freshTag(), signal);
  expect(await untilEnded(idle.scheduler, id)).toMatchObject({ isOk: true });
  await using busy = openLocalWorld((options) => eagerScheduler({ ...options, maxLoad: -1, maxWaitS: 0, timeoutS: 9 }));
  const refused = busy.scheduler.submit(jobIn(await busy.makeDirectory(), "true"), freshTag(), signal);
  await expect(refused).rejects.toThrow(/Machine load is too high \([0-9.]+ per CPU, limit -1\), gave up after 0 s/);
});

test("a command that runs too long is ended and says so", async () => {
  await using here = setup();
  const { clock, world } = here;
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), freshTag(), signal);
  const [pid = 0] = await pidsIn(world, directory, "pids");
  await clock.advance(299_000);
  expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  await clock.advance(1000);
  const outcome = { isOk: false, returnCode: -15, reason: "Timed out after 300 s" };
  expect(await here.untilEndedInTime(world.scheduler, id)).toEqual(outcome);
  expect(await world.isAlive(pid)).toBe(false);
  expect(await world.read(directory, "returncode")).toBe("-15");
  expect(await untilEnded(await world.reopen(), id)).toEqual(outcome);
});

test("a command that ignores the end of its time is killed with its children after the grace time", async () => {
  await using here = setup();
  const { clock, world } = here;
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, STUBBORN), freshTag(), signal);
  const pids = await pidsIn(world, directory, "pids", 2);
  await clock.advance(300_000);
  await clock.advance(399);
  expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  expect(await here.untilEndedInTime(world.scheduler, id)).toEqual({
    isOk: false,
    returnCode: -9,
    reason: "Timed out after 300 s",
  });
  for (const pid of pids) {
    expect(await world.isAlive(pid)).toBe(false);
  }
  expect(await world.read(directory, "returncode")).toBe("-9");
});

test("a command that ended in time is not timed out, and no timer stays", async () => {
  await using here = setup();
  const { clock, world } = here;
  const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), freshTag(), signal);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  expect(clock.pending).toBe(0);
});

test("the time of a command goes on while no daemon is there", async () => {
  const table = { ...processTable(), ageMs: () => 299_000 };
  await using here = setup({ table });
  const { clock, world } = here;
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), freshTag(), signal);
  await pidsIn(world, directory, "pids");
  const next = await world.reopen();
  expect((await next.statuses([id], signal)).get(id)).toEqual({ type: "running" });
  await clock.advance(1000);
  expect(await here.untilEndedInTime(next, id)).toEqual({
    isOk: false,
    returnCode: -15,
    reason: "Timed out after 300 s",
  });
});
