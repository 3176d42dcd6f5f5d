import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { describeServer } from "../../../../adapters/scheduler/redis/describe_queue.ts";
import { signal } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { type RedisServer, startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld } from "../../../support/redis_world.ts";

setDefaultTimeout(60_000);

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server[Symbol.asyncDispose]());

test("a probe finds that a user may not publish, and so does the log", async () => {
  server.cli("acl", "setuser", "deaf", "on", ">secret", "~bartender:*", "+@all");
  await using world = openRedisWorld(server, { scheduler: { dsn: `redis://deaf:secret@127.0.0.1:${server.port}` } });
  expect(await world.scheduler.probe?.(signal)).toEqual([
    { isOk: false, text: expect.stringMatching(/NOPERM.*channel/) },
  ]);
  await eventually("the warning", () =>
    world.logger.lines.some(({ level, message }) => level === "warn" && message === "Could not subscribe in Redis"),
  );
});

test("a probe finds that a user may not run scripts", async () => {
  server.cli("acl", "setuser", "idle", "on", ">secret", "~bartender:*", "&bartender:*", "+@all", "-@scripting");
  await using world = openRedisWorld(server, { scheduler: { dsn: `redis://idle:secret@127.0.0.1:${server.port}` } });
  expect(await world.scheduler.probe?.(signal)).toEqual([
    { isOk: false, text: expect.stringMatching(/NOPERM.*evalsha/i) },
  ]);
});

test("a probe finds that the server is a replica, which takes no changes", async () => {
  await using replica = await startRedis();
  replica.cli("replicaof", "127.0.0.1", "1");
  await using world = openRedisWorld(replica);
  expect(await world.scheduler.probe?.(signal)).toEqual([{ isOk: false, text: expect.stringContaining("READONLY") }]);
});

test("a probe of a server that has all that is needed finds no fault", async () => {
  await using world = openRedisWorld(server);
  expect(await world.scheduler.probe?.(signal)).not.toContainEqual(expect.objectContaining({ isOk: false }));
});

test("a server before version 6.2, and one of a cluster, is a fault", () => {
  const versionOf = (version: string) =>
    describeServer(`# Server\r\nredis_version:${version}\r\nredis_mode:standalone`);
  for (const old of ["5.0.14", "6.0.16"]) {
    expect(versionOf(old)).toEqual([
      { isOk: false, text: `Redis is too old: expected version 6.2 or newer, got ${old}` },
    ]);
  }
  for (const good of ["6.2.0", "7.0.15", "255.255.255"]) expect(versionOf(good)).toEqual([]);
  expect(describeServer("redis_version:7.0.15\r\nredis_mode:cluster\r\n")).toEqual([
    { isOk: false, text: "Redis is part of a cluster, which is not supported" },
  ]);
});
