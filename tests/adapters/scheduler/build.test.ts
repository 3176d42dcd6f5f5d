import { expect, test } from "bun:test";
import { localCommandRunner } from "../../../adapters/command_runner/local.ts";
import { buildScheduler } from "../../../adapters/scheduler/build.ts";
import type { LocalProcessOptions } from "../../../adapters/scheduler/local_processes.ts";
import { sshPool } from "../../../adapters/ssh/ssh_pool.ts";
import type { SchedulerConfig } from "../../../src/config/config.ts";
import type { Scheduler } from "../../../src/ports/scheduler.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../conformance/scheduler_world.ts";
import { idleDirac } from "../../support/idle_dirac.ts";
import { openLocalWorld } from "../../support/local_world.ts";
import { sshSurroundings } from "../../support/ssh_world.ts";

function build(scheduler: SchedulerConfig, options: LocalProcessOptions): Scheduler {
  const runner = localCommandRunner(options);
  return buildScheduler(
    { scheduler, fileSystem: { type: "local" } },
    { ...options, runner, ssh: sshPool(sshSurroundings()), dirac: idleDirac() },
  );
}

test("memory has as many places as configured", async () => {
  await using world = openLocalWorld((options) => build({ type: "memory", slots: 3 }, options));
  expect(world.scheduler.capacity).toBe(3);
});

test("eager runs jobs while the load is below the configured limit", async () => {
  const config = { type: "eager", maxLoad: 1e6, maxWaitS: 60, timeoutS: 300 } as const;
  await using world = openLocalWorld((options) => build(config, options));
  const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), "exit 2"), freshTag(), signal);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: 2 });
});
