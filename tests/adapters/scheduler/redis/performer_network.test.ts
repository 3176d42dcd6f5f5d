import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "../../../../adapters/scheduler/process_table.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../../conformance/scheduler_world.ts";
import { type DaemonProcess, type SpawnedCommand, spawnDaemon, startDaemon } from "../../../support/daemon_process.ts";
import { eventually } from "../../../support/eventually.ts";
import { mayMakeNetworks, networkNamespace } from "../../../support/network_namespace.ts";
import { startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld, type RedisWorld } from "../../../support/redis_world.ts";

// Leases of half a minute have to run out.
setDefaultTimeout(300_000);

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

const mayNot = !mayMakeNetworks();

test.concurrent.skipIf(mayNot)(
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

/** As configured by default. */
const DEFAULT_LEASE_MS = 30_000;

/** A command that notes when two of a job are alive. */
const ALONE =
  "exec 9>lock; flock -n 9 || echo $$ >>two_alive; echo $$ >>pids; until [ -e go ]; do sleep 0.2; done; echo went";

test.concurrent.skipIf(mayNot)(
  "with the heartbeat_timeout of 30 s, a job goes on over a link that is cut for 10 s; one of 60 s ends it, then it fails or runs again as configured",
  async () => {
    using shortLink = networkNamespace();
    using longLink = networkNamespace();
    const atLink = (link: typeof shortLink) =>
      startRedis({ bind: link.hostAddress, options: ["--protected-mode", "no"] });
    await using shortRedis = await atLink(shortLink);
    await using longRedis = await atLink(longLink);
    await using daemon = await startDaemon({
      config: `job_root_dir: jobs
applications: {alone: {command_template: ${JSON.stringify(ALONE)}}}
destination_picker: ./by_file.js:pick
destinations:
  lasting: {scheduler: {type: arq, redis_dsn: "${shortRedis.dsn}"}, filesystem: {type: local}}
  failing: {scheduler: {type: arq, redis_dsn: "${longRedis.dsn}", queue: failing}, filesystem: {type: local}}
  again:
    scheduler: {type: arq, redis_dsn: "${longRedis.dsn}", queue: again}
    on_interrupt: rerun
    filesystem: {type: local}
`,
      files: {
        "by_file.js": `import { readFileSync } from "node:fs";
export const pick = (directory) => readFileSync(directory + "/where", "utf8");
`,
      },
    });
    await using lastingPerformer = performIn(daemon, "short.log", shortLink.prefix, "lasting");
    await using cutPerformer = performIn(daemon, "long.log", longLink.prefix, "failing", "again");
    const submit = (where: string): Promise<number> => daemon.submitOk("alone", { where });
    const [lasting, failing, again] = [await submit("lasting"), await submit("failing"), await submit("again")];
    const pids = (id: number): readonly number[] => linesOf(daemon, id, "pids").map(Number);
    for (const id of [lasting, failing, again]) {
      await eventually("the command", () => pids(id).length === 1, 60_000);
      await daemon.until(id, "running");
    }
    // Elsewhere, and sees the disk, too.
    await using other = performIn(daemon, "other.log", [], "again");
    await eventually("the other performer", () => other.output().includes("Worker running for"), 60_000);

    shortLink.cut();
    longLink.cut();
    const cutAtMs = performance.now();
    const untilCutFor = (ms: number): Promise<void> => sleep(Math.max(0, cutAtMs + ms - performance.now()));
    const failed = eventually(
      "the failure of the job",
      async () => (await daemon.job(failing)).state === "error" && { isAlive: anyLives(pids(failing)) },
      120_000,
    );
    const ranAgain = eventually(
      "the second attempt",
      () => pids(again).length === 2 && { isFirstAlive: anyLives(pids(again).slice(0, 1)) },
      120_000,
    );
    await untilCutFor(10_000);
    shortLink.mend();
    expect(await failed).toEqual({ isAlive: false });
    expect(await ranAgain).toEqual({ isFirstAlive: false });
    await untilCutFor(10_000 + DEFAULT_LEASE_MS + 5_000);
    expect((await daemon.job(lasting)).state).toBe("running");
    expect(lastingPerformer.output()).not.toContain("The lease is about to end");
    finish(daemon, lasting);
    await daemon.until(lasting, "ok");
    await untilCutFor(60_000);
    longLink.mend();
    await eventually("the renewal", () => cutPerformer.output().split("is renewed again").length >= 3, 60_000);
    expect((await daemon.job(again)).state).toBe("running");
    finish(daemon, again);
    await daemon.until(again, "ok");

    expect([pids(lasting).length, pids(failing).length, pids(again).length]).toEqual([1, 1, 2]);
    for (const id of [lasting, failing, again]) expect(linesOf(daemon, id, "two_alive")).toEqual([]);
    for (const id of [lasting, again]) expect(await daemon.text(`/api/job/${id}/stdout`)).toBe("went\n");
    expect(await daemon.text(`/api/job/${failing}/stderr`)).toContain("nothing was heard of it for 30 s");
    const later = await submit("failing");
    finish(daemon, later);
    await daemon.until(later, "ok");
  },
);

/** A performer with a place of its own. */
function performIn(
  { directory }: DaemonProcess,
  logName: string,
  prefix: readonly string[],
  ...destinations: readonly string[]
): SpawnedCommand {
  const env = { STATE_DIRECTORY: join(directory, `state-${logName}`) };
  return spawnDaemon(directory, { logName, prefix, env, args: ["perform", "--destination", ...destinations] });
}

function linesOf({ directory }: DaemonProcess, id: number, name: string): readonly string[] {
  const path = join(directory, "jobs", String(id), name);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

function finish({ directory }: DaemonProcess, id: number): void {
  writeFileSync(join(directory, "jobs", String(id), "go"), "");
}
