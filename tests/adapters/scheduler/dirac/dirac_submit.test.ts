import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { OutcomeUnknownError, SchedulerRefusedError, SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import type { CommandRunner } from "../../../../src/ports/command_runner.ts";
import { freshTag, jobIn, PATIENCE_MS, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { type DiracServer, sharedDiracServer } from "../../../support/dirac_server.ts";
import { makeUserDirectory, openDiracWorld } from "./dirac_world.ts";

setDefaultTimeout(2 * PATIENCE_MS);

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
  await makeUserDirectory(server);
}, PATIENCE_MS);

afterEach(() => server.repair());
afterAll(() => server.repair());

/** Jobs in DIRAC, by the name that has the tag. */
function jobsNamed(tag: string): number {
  return Number(server.sql(`select count(*) from JobDB.Jobs where JobName = '${tag}'`).trim());
}

/** Lets the first submission get through and its answer be lost. */
function losingAnswers(runner: CommandRunner): CommandRunner {
  let toLose = 1;
  return {
    async run(command, aborted) {
      const result = await runner.run(command, aborted);
      if (command.program !== "dirac-wms-job-submit" || toLose === 0) return result;
      toLose -= 1;
      throw new OutcomeUnknownError("The link was lost");
    },
  };
}

test("a directory that a job description cannot carry is refused, and the tag can be used again", async () => {
  await using world = await openDiracWorld(server);
  const tag = freshTag();
  for (const directory of [
    "/vo/user/a/ab/with blank/1",
    '/vo/user/a/ab/"/1',
    "/vo/user/a/ab/x;y/1",
    "relative",
    `/${"x".repeat(250)}`,
  ]) {
    await expect(world.scheduler.submit(jobIn(directory, "true"), tag, signal)).rejects.toBeInstanceOf(
      SchedulerRefusedError,
    );
  }
  await expect(
    world.scheduler.submit(jobIn(await world.makeDirectory(), "echo \0"), tag, signal),
  ).rejects.toBeInstanceOf(SchedulerRefusedError);
  expect(await world.scheduler.find(tag, signal)).toBeUndefined();
  const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), tag, signal);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
});

test("a submission whose answer was lost is found again and not repeated", async () => {
  await using world = await openDiracWorld(server, { wrap: losingAnswers });
  const tag = freshTag();
  const job = jobIn(await world.makeDirectory(), "echo once >>ledger");
  await expect(world.scheduler.submit(job, tag, signal)).rejects.toBeInstanceOf(SchedulerUnavailableError);
  // The daemon may have been started again in between.
  await world.reopen();
  const id = await world.scheduler.submit(job, tag, signal);
  expect(jobsNamed(tag)).toBe(1);
  expect(await world.scheduler.find(tag, signal)).toBe(id);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  expect(await world.read(job.directory, "ledger")).toBe("once\n");
});

test("two jobs of one attempt, which nobody could know of, run its command once", async () => {
  await using world = await openDiracWorld(server);
  const tag = freshTag();
  const job = jobIn(await world.makeDirectory(), "echo once >>ledger");
  const first = await world.scheduler.submit(job, tag, signal);
  // As if DIRAC had not shown the first one when it was asked.
  rmSync(join(world.stateDir, "submitted"), { recursive: true });
  const second = await world.scheduler.submit(job, tag, signal);
  expect(second).not.toBe(first);
  expect(jobsNamed(tag)).toBe(2);
  expect(await untilEnded(world.scheduler, first)).toMatchObject({ isOk: true });
  expect(await untilEnded(world.scheduler, second)).toMatchObject({ isOk: true });
  expect(await world.read(job.directory, "ledger")).toBe("once\n");
});

test("services that are away make no statement about a job, and are used again when they are back", async () => {
  await using world = await openDiracWorld(server);
  const tag = freshTag();
  const job = jobIn(await world.makeDirectory(), "true");
  await world.send(job.directory);
  await server.services.jobManager.stop();
  await server.services.jobMonitoring.stop();
  await expect(world.scheduler.submit(job, tag, signal)).rejects.toBeInstanceOf(SchedulerUnavailableError);
  await expect(world.scheduler.find(freshTag(), signal)).rejects.toBeInstanceOf(SchedulerUnavailableError);
  await server.services.jobManager.start();
  await server.services.jobMonitoring.start();
  const id = await world.scheduler.submit(job, tag, signal);
  await server.services.jobMonitoring.stop();
  await expect(world.scheduler.statuses([id], signal)).rejects.toBeInstanceOf(SchedulerUnavailableError);
  await server.services.jobMonitoring.start();
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
});
