import { expect, setDefaultTimeout, test } from "bun:test";
import { freshTag, jobIn, pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { lossyProxy } from "../../../support/lossy_proxy.ts";
import { type RedisServer, startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld } from "../../../support/redis_world.ts";

setDefaultTimeout(120_000);

const follow = (follower: RedisServer, primary: RedisServer): string =>
  follower.cli("replicaof", "127.0.0.1", String(primary.port));

test("daemon and performer find the new primary behind the same name, though the old one keeps their connections", async () => {
  const options = ["--repl-diskless-sync-delay", "0"];
  await using first = await startRedis({ options });
  await using second = await startRedis({ options });
  await using name = await lossyProxy(first.port);
  const dsn = `redis://127.0.0.1:${name.port}`;
  await using world = openRedisWorld(first, { dsn, scheduler: { dsn } });
  const performer = await world.startPerformer();
  const running = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(running, WAITS_FOR_GO), freshTag(), signal);
  await pidsIn(world, running, "pids");
  follow(second, first);
  await eventually("the copy", () => second.cli("info", "replication").includes("master_link_status:up"));

  second.cli("replicaof", "no", "one");
  follow(first, second);
  // What waits for work is connected anew by the demotion itself, before the name leads elsewhere.
  await eventually("the performer to hear of it", () => performer.log().includes("READONLY"));
  name.leadTo(second.port);

  const job = jobIn(await world.makeDirectory(), "true");
  const tag = freshTag();
  const later = await eventually("a submission", () => world.scheduler.submit(job, tag, signal).catch(() => undefined));
  expect(await untilEnded(world.scheduler, later)).toMatchObject({ isOk: true });
  await world.write(running, "go", "");
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
});
