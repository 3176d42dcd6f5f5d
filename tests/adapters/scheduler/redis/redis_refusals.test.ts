import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { queueKeys } from "../../../../adapters/scheduler/redis/queue_keys.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { type RedisServer, startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld, type RedisWorld } from "../../../support/redis_world.ts";

// Leases have to run out.
setDefaultTimeout(120_000);

const table = processTable();
const anyLives = (pids: readonly number[]): boolean => pids.some((pid) => table.read(pid) !== undefined);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A performer with a command that runs, on a server of its own. */
async function setup(leaseS: number) {
  const server = await startRedis();
  const world = openRedisWorld(server, { leaseS });
  const performer = await world.startPerformer();
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), freshTag(), signal);
  const pids = await pidsIn(world, directory, "pids");
  const status = async () => (await world.scheduler.statuses([id], signal)).get(id);
  await eventually("the news of the start", async () => (await status())?.type === "running");
  const { leases } = queueKeys(world.options.queue);
  const [name = ""] = server.cli("zrange", leases, "0", "-1").split("\n");
  return {
    ...{ server, world, performer, directory, id, pids, status },
    leaseUntil: () => Number(server.cli("zscore", leases, name)),
    setLease: (until: number) => server.cli("zadd", leases, String(until), name),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function refusesSubmissions(world: RedisWorld): Promise<void> {
  const refused = world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), freshTag(), signal);
  await expect(refused).rejects.toBeInstanceOf(SchedulerUnavailableError);
}

test.concurrent("a clock of the server that is set forward costs no command", async () => {
  await using t = await setup(30);
  // As it is then: over long ago.
  t.setLease(1);
  await eventually("a renewal", () => t.leaseUntil() > 1);
  expect(await t.status()).toEqual({ type: "running" });
  await t.world.write(t.directory, "go", "");
  expect(await untilEnded(t.world.scheduler, t.id)).toMatchObject({ isOk: true });
});

test.concurrent("a clock of the server that is set back does not hide that a performer is lost", async () => {
  await using t = await setup(6);
  await t.performer.stop("SIGKILL");
  t.setLease(t.leaseUntil() + 86_400_000);
  expect(await untilEnded(t.world.scheduler, t.id, 60_000)).toMatchObject({ isOk: false });
  expect(await t.status()).toMatchObject({ isInterrupted: true });
  expect(anyLives(t.pids)).toBe(false);
});

/** Lets the server fail to save its data; from then on it refuses all changes, as it does when its disk is full. */
async function failToSave({ cli, directory }: RedisServer): Promise<void> {
  mkdirSync(join(directory, "dump.rdb"));
  cli("config", "set", "save", "3600 1");
  cli("bgsave");
  await eventually("the failure", () => cli("info", "persistence").includes("rdb_last_bgsave_status:err"));
}

async function saveAgain({ cli, directory }: RedisServer): Promise<void> {
  rmdirSync(join(directory, "dump.rdb"));
  cli("bgsave");
  await eventually("the success", () => cli("info", "persistence").includes("rdb_last_bgsave_status:ok"));
}

test.concurrent("a server that takes no changes for a while, as its disk is full, costs no command", async () => {
  const leaseS = 12;
  await using t = await setup(leaseS);
  await failToSave(t.server);
  const before = t.leaseUntil();
  await refusesSubmissions(t.world);
  await sleep(1.2 * leaseS * 1000);
  expect(t.leaseUntil()).toBe(before);
  expect(anyLives(t.pids)).toBe(true);
  await saveAgain(t.server);
  await eventually("a renewal", () => t.leaseUntil() > before);
  expect(await t.status()).toEqual({ type: "running" });
  await t.world.write(t.directory, "go", "");
  expect(await untilEnded(t.world.scheduler, t.id)).toMatchObject({ isOk: true });
});

test.concurrent("a server whose memory is full takes no jobs, but leases, cancellations and ends", async () => {
  await using t = await setup(30);
  t.server.cli("config", "set", "maxmemory", "1");
  const before = t.leaseUntil();
  await refusesSubmissions(t.world);
  await eventually("a renewal", () => t.leaseUntil() > before);
  await t.world.scheduler.cancel(t.id, signal);
  expect(await untilEnded(t.world.scheduler, t.id)).toMatchObject({ isOk: false, returnCode: -15 });
  expect(anyLives(t.pids)).toBe(false);
});
