import { expect, setDefaultTimeout, test } from "bun:test";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../../conformance/scheduler_world.ts";
import { mayMakeNetworks, networkNamespace } from "../../../support/network_namespace.ts";
import { startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld, type RedisWorld } from "../../../support/redis_world.ts";

setDefaultTimeout(120_000);

/**
 * How long the link is cut for, in parts of the lease; the lease of 10 s stands for 30 s. After the short cut TCP may take
 * as long again to send anew, all of it less than the half of a lease after which a performer gives up.
 */
const LEASE_S = 10;
const SHORT_CUT_MS = 2_000;
const LONG_CUT_MS = 16_000;

const table = processTable();
const anyLives = (pids: readonly number[]): boolean => pids.some((pid) => table.read(pid) !== undefined);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function startWaiting(world: RedisWorld) {
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), freshTag(), signal);
  return { directory, id, pids: await pidsIn(world, directory, "pids") };
}

test.skipIf(!mayMakeNetworks())(
  "a performer behind a link that is cut keeps its command for a while, then ends it before anybody is told, and works on",
  async () => {
    using network = networkNamespace();
    await using server = await startRedis({ bind: network.hostAddress, options: ["--protected-mode", "no"] });
    await using world = openRedisWorld(server, { leaseS: LEASE_S, prefix: network.prefix });
    await world.startPerformer();
    const { id, pids } = await startWaiting(world);

    network.cut();
    await sleep(SHORT_CUT_MS);
    network.mend();
    await sleep(LEASE_S * 1000);
    expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });

    const livingAtEnd = new Promise<boolean>((resolve) => {
      world.scheduler.listen?.((about, status) => {
        if (about === id && status.type === "ended") resolve(anyLives(pids));
      });
    });
    network.cut();
    expect(await livingAtEnd).toBe(false);
    await sleep(LONG_CUT_MS - LEASE_S * 1000);
    network.mend();
    const [outcome] = await Promise.all([untilEnded(world.scheduler, id)]);
    expect(outcome.reason).toBe(`The performer was lost: nothing was heard of it for ${LEASE_S} s`);

    const later = await startWaiting(world);
    await world.write(later.directory, "go", "");
    expect(await untilEnded(world.scheduler, later.id, 30_000)).toMatchObject({ isOk: true });
  },
);
