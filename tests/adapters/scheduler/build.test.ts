import { expect, test } from "bun:test";
import { localCommandRunner } from "../../../adapters/command_runner/local.ts";
import { buildScheduler } from "../../../adapters/scheduler/build.ts";
import { memoryScheduler } from "../../../adapters/scheduler/memory.ts";
import { sshPool } from "../../../adapters/ssh/ssh_pool.ts";
import type { SchedulerConfig } from "../../../src/config/config.ts";
import type { Scheduler } from "../../../src/ports/scheduler.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../conformance/scheduler_world.ts";
import { idleDirac } from "../../support/idle_dirac.ts";
import { type LocalWorld, openLocalWorld } from "../../support/local_world.ts";
import { sshSurroundings } from "../../support/ssh_world.ts";

/** Built beside that of the world, whose directories and records it shares. */
async function build(scheduler: SchedulerConfig, { options }: LocalWorld): Promise<Scheduler> {
  const runner = localCommandRunner(options);
  return await buildScheduler(
    { scheduler, fileSystem: { type: "local" } },
    { ...options, runner, ssh: sshPool(sshSurroundings()), dirac: idleDirac() },
  );
}

const open = () => openLocalWorld((options) => memoryScheduler({ ...options, slots: 1 }));

test("memory has as many places as configured", async () => {
  await using world = open();
  const scheduler = await build({ type: "memory", slots: 3 }, world);
  expect(scheduler.capacity).toBe(3);
  await scheduler.close();
});

test("eager runs jobs while the load is below the configured limit", async () => {
  const config = { type: "eager", maxLoad: 1e6, maxWaitS: 60, timeoutS: 300 } as const;
  await using world = open();
  const scheduler = await build(config, world);
  const id = await scheduler.submit(jobIn(await world.makeDirectory(), "exit 2"), freshTag(), signal);
  expect(await untilEnded(scheduler, id)).toMatchObject({ returnCode: 2 });
  await scheduler.close();
});
