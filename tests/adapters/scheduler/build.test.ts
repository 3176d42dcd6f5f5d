import { expect, test } from "bun:test";
import { buildScheduler } from "../../../adapters/scheduler/build.ts";
import { BartenderError } from "../../../src/core/errors.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../conformance/scheduler_world.ts";
import { openLocalWorld } from "../../support/local_world.ts";

test("memory has as many places as configured", async () => {
  await using world = openLocalWorld((options) => buildScheduler({ type: "memory", slots: 3 }, options));
  expect(world.scheduler.capacity).toBe(3);
});

test("eager runs jobs while the load is below the configured limit", async () => {
  const config = { type: "eager", maxLoad: 1e6, maxWaitS: 60, timeoutS: 300 } as const;
  await using world = openLocalWorld((options) => buildScheduler(config, options));
  const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), "exit 2"), freshTag(), signal);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: 2 });
});

test("what this version cannot do yet is refused by name", async () => {
  await using world = openLocalWorld((options) => buildScheduler({ type: "memory", slots: 1 }, options));
  const proxy = { valid: undefined, certFile: undefined, keyFile: undefined, group: undefined, password: undefined };
  const configs = [
    {
      type: "slurm",
      ssh: undefined,
      partition: undefined,
      time: undefined,
      extraOptions: [],
      isSubmitterAccount: false,
    },
    { type: "arq", redisDsn: "redis://localhost:6379", queue: "arq:queue", maxJobs: 10, jobTimeoutS: 3600 },
    {
      type: "dirac",
      storageElement: "s",
      apptainerImage: undefined,
      proxy: { ...proxy, minLifeS: 1800, logLevel: "INFO" },
    },
  ] as const;
  for (const config of configs) {
    const build = () => buildScheduler(config, world.options);
    expect(build).toThrow(BartenderError);
    expect(build).toThrow(`Scheduler ${config.type} is not available yet in this version`);
  }
});
