import { expect } from "bun:test";
import { SchedulerRefusedError, SchedulerUnavailableError } from "../../src/core/errors.ts";
import { type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Outcome } from "../../src/core/job.ts";
import { eventually } from "../support/eventually.ts";
import {
  freshTag,
  jobIn,
  PATIENCE_MS,
  pidsIn,
  run,
  type Says,
  STUBBORN,
  signal,
  untilEnded,
} from "./scheduler_world.ts";

/** A tag is run once, whoever asks how often. */
export function submitsOnce(says: Says): void {
  says("submit() with a known tag returns its id and starts nothing", async (world) => {
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const first = await world.scheduler.submit(jobIn(directory, "echo once >>ledger"), tag, signal);
    expect(await world.scheduler.submit(jobIn(directory, "echo once >>ledger"), tag, signal)).toBe(first);
    await untilEnded(world.scheduler, first);
    expect(await world.scheduler.submit(jobIn(directory, "echo once >>ledger"), tag, signal)).toBe(first);
    expect(await untilEnded(world.scheduler, first)).toMatchObject({ isOk: true });
    expect(await world.read(directory, "ledger")).toBe("once\n");
  });

  says("submit() of one tag many times at once runs the command once", async (world) => {
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const submit = () => world.scheduler.submit(jobIn(directory, "echo once >>ledger"), tag, signal);
    const ids = new Set(await Promise.all(Array.from({ length: 10 }, submit)));
    expect(ids.size).toBe(1);
    for (const id of ids) {
      await untilEnded(world.scheduler, id);
    }
    expect(await world.read(directory, "ledger")).toBe("once\n");
  });

  says("submit() refuses a directory that is not there, and leaves nothing", async (world) => {
    const missing = `${await world.makeDirectory()}/missing`;
    const tag = freshTag();
    const refused = world.scheduler.submit(jobIn(missing, "true"), tag, signal);
    await expect(refused).rejects.toBeInstanceOf(SchedulerRefusedError);
    expect(await world.scheduler.find(tag, signal)).toBeUndefined();
  });

  says("after a refusal the same tag can be submitted", async (world) => {
    const directory = await world.makeDirectory();
    const tag = freshTag();
    await expect(world.scheduler.submit(jobIn(`${directory}/no`, "true"), tag, signal)).rejects.toThrow();
    const id = await world.scheduler.submit(jobIn(directory, "true"), tag, signal);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  });

  says(
    "find() answers the id of a running and of an ended job, and undefined for a tag it never saw",
    async (world) => {
      const directory = await world.makeDirectory();
      const tag = freshTag();
      expect(await world.scheduler.find(tag, signal)).toBeUndefined();
      const command = "until [ -e go ]; do sleep 0.02; done";
      const id = await world.scheduler.submit(jobIn(directory, command), tag, signal);
      expect(await world.scheduler.find(tag, signal)).toBe(id);
      await world.write(directory, "go", "");
      await untilEnded(world.scheduler, id);
      expect(await world.scheduler.find(tag, signal)).toBe(id);
      expect(await world.scheduler.find(freshTag(), signal)).toBeUndefined();
    },
  );

  says("an id fits into the store", async (world) => {
    const { id } = await run(world, "true");
    expect(id.length).toBeGreaterThan(0);
    expect(id.length).toBeLessThanOrEqual(200);
  });

  says(
    "submit() that is called off before it began throws SchedulerUnavailableError and starts nothing",
    async (world) => {
      const tag = freshTag();
      const called = world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), tag, AbortSignal.abort());
      await expect(called).rejects.toBeInstanceOf(SchedulerUnavailableError);
      expect(await world.scheduler.find(tag, signal)).toBeUndefined();
    },
  );
}

/** What is told when asked. */
export function answersStatuses(says: Says): void {
  says("statuses() leaves out ids it does not know", async (world) => {
    const { id } = await run(world, "true");
    const unknown = [schedulerJobId("4711"), schedulerJobId("../../etc/passwd"), schedulerJobId("")];
    expect([...(await world.scheduler.statuses([...unknown, id], signal)).keys()]).toEqual([id]);
    expect((await world.scheduler.statuses([], signal)).size).toBe(0);
  });

  says("statuses() tells running jobs from ended ones in one call", async (world) => {
    const { id: ended } = await run(world, "exit 3");
    const directory = await world.makeDirectory();
    const command = "touch started; until [ -e go ]; do sleep 0.02; done";
    const running = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    await eventually("the start", async () => (await world.read(directory, "started")) !== undefined, PATIENCE_MS);
    const status = await eventually(
      "the state running",
      async () => {
        const both = await world.scheduler.statuses([ended, running], signal);
        return both.get(running)?.type === "running" && both;
      },
      PATIENCE_MS,
    );
    expect(status.get(ended)).toMatchObject({ type: "ended", outcome: { isOk: false, returnCode: 3, reason: null } });
    await world.write(directory, "go", "");
    await untilEnded(world.scheduler, running);
  });

  says("the end of a job is told as often as it is asked for", async (world) => {
    const { id, outcome } = await run(world, "exit 4");
    for (let asked = 0; asked < 3; asked++) {
      expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "ended", outcome });
    }
  });
}

/** What is told without being asked. */
export function tellsListeners(says: Says): void {
  says("listen() tells once of the start and once of the end, after submit() has answered", async (world) => {
    const told: string[] = [];
    world.scheduler.listen?.((id, status) => told.push(`${id} ${status.type}`));
    const directory = await world.makeDirectory();
    const command = "until [ -e go ]; do sleep 0.02; done; exit 6";
    const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    expect(told).toEqual([]);
    await eventually("the start being told", () => told.length === 1);
    await world.write(directory, "go", "");
    await eventually("the end being told", () => told.length === 2);
    expect(told).toEqual([`${id} running`, `${id} ended`]);
  });

  says("listen() tells of commands that end at once", async (world) => {
    const ended = new Map<SchedulerJobId, Outcome>();
    world.scheduler.listen?.((id, status) => {
      if (status.type === "ended") {
        expect(ended.has(id)).toBe(false);
        ended.set(id, status.outcome);
      }
    });
    const ids: SchedulerJobId[] = [];
    for (let round = 0; round < 20; round++) {
      const directory = await world.makeDirectory();
      ids.push(await world.scheduler.submit(jobIn(directory, `exit ${round}`), freshTag(), signal));
    }
    await eventually("20 ends being told", () => ended.size === 20);
    expect(ids.map((id) => ended.get(id)?.returnCode)).toEqual(Array.from({ length: 20 }, (_, round) => round));
  });

  says("listen() tells of a cancelled job only when nothing of it runs", async (world) => {
    const directory = await world.makeDirectory();
    const alive = new Map<number, Promise<boolean>>();
    const id = await world.scheduler.submit(jobIn(directory, STUBBORN), freshTag(), signal);
    const pids = await pidsIn(world, directory, "pids", 2);
    world.scheduler.listen?.((_, status) => {
      if (status.type === "ended") {
        for (const pid of pids) {
          alive.set(pid, world.isAlive(pid));
        }
      }
    });
    await world.scheduler.cancel(id, signal);
    expect(await Promise.all(alive.values())).toEqual([false, false]);
  });

  says("a listener that has left hears nothing more", async (world) => {
    const told: string[] = [];
    const leave = world.scheduler.listen?.((_, status) => told.push(status.type));
    leave?.();
    await run(world, "true");
    expect(told).toEqual([]);
  });
}
