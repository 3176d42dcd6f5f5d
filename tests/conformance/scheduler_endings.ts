import { expect } from "bun:test";
import { SchedulerUnavailableError } from "../../src/core/errors.ts";
import { schedulerJobId } from "../../src/core/ids.ts";
import { eventually } from "../support/eventually.ts";
import {
  ENDLESS,
  freshTag,
  jobIn,
  PATIENCE_MS,
  pidsIn,
  run,
  type Says,
  STUBBORN,
  signal,
  untilEnded,
  WAITS_FOR_GO,
} from "./scheduler_world.ts";

/** A cancelled job is dead. */
export function cancels(says: Says): void {
  says("cancel() resolves when nothing of the job runs", async (world) => {
    const directory = await world.makeDirectory();
    // Nobody waits for the other: whoever gets the signal first must not let the other end by itself.
    const command = "sleep 300 & echo $! >>pids; echo $$ >>pids; exec sleep 301";
    const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    const pids = await pidsIn(world, directory, "pids", 2);
    await world.scheduler.cancel(id, signal);
    for (const pid of pids) {
      expect(await world.isAlive(pid)).toBe(false);
    }
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: -15 });
    expect(await world.read(directory, "returncode")).toBe("-15");
  });

  says("cancel() ends a command that ignores SIGTERM", async (world) => {
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, STUBBORN), freshTag(), signal);
    const pids = await pidsIn(world, directory, "pids", 2);
    await world.scheduler.cancel(id, signal);
    for (const pid of pids) {
      expect(await world.isAlive(pid)).toBe(false);
    }
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: -9 });
    expect(await world.read(directory, "returncode")).toBe("-9");
  });

  says("cancel() leaves time to a command that cleans up on SIGTERM", async (world) => {
    const directory = await world.makeDirectory();
    const command = "trap 'echo clean >done; exit 7' TERM; echo $$ >>pids; while :; do sleep 0.02; done";
    const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    await pidsIn(world, directory, "pids");
    await world.scheduler.cancel(id, signal);
    expect(await world.read(directory, "done")).toBe("clean\n");
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: 7 });
  });

  says("cancel() ends children that left the process group", async (world) => {
    const directory = await world.makeDirectory();
    const command = "setsid sh -c 'echo $$ >>pids; exec sleep 300' & echo $$ >>pids; sleep 300";
    const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    const pids = await pidsIn(world, directory, "pids", 2);
    await world.scheduler.cancel(id, signal);
    for (const pid of pids) {
      expect(await world.isAlive(pid)).toBe(false);
    }
  });

  says("cancel() right after submit() leaves nothing running", async (world) => {
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "echo $$ >>pids; sleep 300"), freshTag(), signal);
    await world.scheduler.cancel(id, signal);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false });
    const pids = (await world.read(directory, "pids"))?.split("\n").slice(0, -1).map(Number) ?? [];
    for (const pid of pids) {
      expect(await world.isAlive(pid)).toBe(false);
    }
  });

  says("cancel() of one job leaves the others alone", async (world) => {
    const directories = [await world.makeDirectory(), await world.makeDirectory()] as const;
    const first = await world.scheduler.submit(jobIn(directories[0], ENDLESS), freshTag(), signal);
    const second = await world.scheduler.submit(jobIn(directories[1], WAITS_FOR_GO), freshTag(), signal);
    await pidsIn(world, directories[0], "pids");
    await pidsIn(world, directories[1], "pids");
    await world.scheduler.cancel(first, signal);
    await world.scheduler.cancel(first, signal);
    const status = async () => (await world.scheduler.statuses([second], signal)).get(second);
    await eventually("the news of the start", async () => (await status())?.type !== "queued", PATIENCE_MS);
    expect(await status()).toEqual({ type: "running" });
    await world.write(directories[1], "go", "");
    expect(await untilEnded(world.scheduler, second)).toMatchObject({ isOk: true });
  });

  says("cancel() may be called several times at once", async (world) => {
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "echo $$ >>pids; sleep 300"), freshTag(), signal);
    const pids = await pidsIn(world, directory, "pids");
    await Promise.all([1, 2, 3].map(() => world.scheduler.cancel(id, signal)));
    expect(await world.isAlive(pids[0] ?? 0)).toBe(false);
  });

  says("cancel() of an unknown id does nothing", async (world) => {
    await world.scheduler.cancel(schedulerJobId("4711"), signal);
    await world.scheduler.cancel(schedulerJobId("../x"), signal);
  });

  says("cancel() of an ended job keeps its outcome and its files", async (world) => {
    const { id, directory, outcome } = await run(world, "echo kept; exit 5");
    await world.scheduler.cancel(id, signal);
    expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "ended", outcome });
    expect(await world.read(directory, "stdout.txt")).toBe("kept\n");
    expect(await world.read(directory, "returncode")).toBe("5");
  });
}

/** Jobs outlive the daemon. */
export function closesAndForgets(says: Says): void {
  says("close() leaves running jobs alone, and the next daemon finds them", async (world) => {
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const command = `${WAITS_FOR_GO}; exit 8`;
    const id = await world.scheduler.submit(jobIn(directory, command), tag, signal);
    await pidsIn(world, directory, "pids");
    const next = await world.reopen();
    expect(await next.find(tag, signal)).toBe(id);
    const status = async () => (await next.statuses([id], signal)).get(id);
    await eventually("the news of the start", async () => (await status())?.type !== "queued", PATIENCE_MS);
    expect(await status()).toEqual({ type: "running" });
    expect(await next.submit(jobIn(directory, command), tag, signal)).toBe(id);
    await world.write(directory, "go", "");
    expect(await untilEnded(next, id)).toMatchObject({ isOk: false, returnCode: 8, reason: null });
    expect((await world.read(directory, "pids"))?.split("\n").length).toBe(2);
  });

  says("the next daemon hears the end of a job of the one before", async (world) => {
    const directory = await world.makeDirectory();
    const command = WAITS_FOR_GO;
    const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    await pidsIn(world, directory, "pids");
    const next = await world.reopen();
    const told: string[] = [];
    next.listen?.((about, status) => told.push(`${about} ${status.type}`));
    await next.statuses([id], signal);
    await world.write(directory, "go", "");
    await eventually("the end being told", () => told.includes(`${id} ended`));
  });

  says("the next daemon learns how a job ended meanwhile", async (world) => {
    const { id, outcome } = await run(world, "exit 9");
    const next = await world.reopen();
    expect((await next.statuses([id], signal)).get(id)).toEqual({ type: "ended", outcome });
  });

  says("the next daemon can cancel", async (world) => {
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, STUBBORN), freshTag(), signal);
    const pids = await pidsIn(world, directory, "pids", 2);
    const next = await world.reopen();
    await next.cancel(id, signal);
    for (const pid of pids) {
      expect(await world.isAlive(pid)).toBe(false);
    }
    expect(await untilEnded(next, id)).toMatchObject({ isOk: false, returnCode: -9 });
  });

  says("close() may be called again, and then nothing is answered any more", async (world) => {
    const { id } = await run(world, "true");
    await world.scheduler.close();
    await world.scheduler.close();
    await expect(world.scheduler.statuses([id], signal)).rejects.toBeInstanceOf(SchedulerUnavailableError);
  });

  says("after forget() the tag of an ended job is not found; on a running job forget() does nothing", async (world) => {
    const tag = freshTag();
    const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), tag, signal);
    await untilEnded(world.scheduler, id);
    await world.scheduler.forget?.(id);
    await world.scheduler.forget?.(id);
    expect(await world.scheduler.find(tag, signal)).toBeUndefined();

    const directory = await world.makeDirectory();
    const command = WAITS_FOR_GO;
    const running = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
    await pidsIn(world, directory, "pids");
    await world.scheduler.forget?.(running);
    await world.write(directory, "go", "");
    expect(await untilEnded(world.scheduler, running)).toMatchObject({ isOk: true });
  });
}
