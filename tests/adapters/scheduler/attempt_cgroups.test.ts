import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { attemptCgroups, delegatedCgroup } from "../../../adapters/scheduler/attempt_cgroups.ts";
import { memoryScheduler } from "../../../adapters/scheduler/memory.ts";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../conformance/scheduler_world.ts";
import { noCgroupsBecause, openCgroupWorld } from "../../support/cgroup_world.ts";
import { eventually } from "../../support/eventually.ts";
import { openLocalWorld } from "../../support/local_world.ts";
import { tempDir } from "../../support/temp_dir.ts";

// Real processes on a busy machine.
setDefaultTimeout(30_000);

const NOBODY = 65_534;
const table = processTable();
const skipReason = noCgroupsBecause();
if (skipReason !== undefined) console.warn(`Skipped: ${skipReason}`);

/** Leaves session, process group, parent and environment behind; nothing but a control group still holds it. */
const ESCAPES = "setsid -f env -i sh -c 'trap \"\" TERM; echo $$ >>pids; while :; do sleep 0.1; done'";

/** Goes on in a new process all the time, each of which escapes. */
const RELAY =
  "#!/bin/sh\ntrap '' TERM\necho $$ >>pids\nsleep 0.01\nsetsid -f env -i PATH=/usr/bin:/bin sh ./relay.sh\n";

function open(directory: string) {
  const cgroups = attemptCgroups(directory);
  const world = openLocalWorld((options) => memoryScheduler({ ...options, slots: 2 }), { cgroups });
  return { cgroups, world };
}

describe.skipIf(skipReason !== undefined)("commands with control groups of their own", () => {
  test("are found and ended also when they left everything else behind", async () => {
    await using service = openCgroupWorld();
    const { world, cgroups } = open(service.directory);
    await using _ = world;
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const id = await world.scheduler.submit(jobIn(directory, ESCAPES), tag, signal);
    const [pid = 0] = await pidsIn(world, directory, "pids");
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
    expect(table.living(undefined, false, tag)).toEqual([]);
    expect(cgroups.members(tag)).toContain(pid);
    await world.scheduler.cancel(id, signal);
    expect(table.read(pid)).toBeUndefined();
    await world.scheduler.forget?.(id);
    expect(readdirSync(service.directory).filter((name) => name.includes(tag))).toEqual([]);
  });

  test("are ended at once although they go on in new processes all the time", async () => {
    await using service = openCgroupWorld();
    const { world, cgroups } = open(service.directory);
    await using _ = world;
    const directory = await world.makeDirectory();
    writeFileSync(join(directory, "relay.sh"), RELAY);
    const tag = freshTag();
    const id = await world.scheduler.submit(jobIn(directory, "sh ./relay.sh; sleep 300"), tag, signal);
    await pidsIn(world, directory, "pids", 5);
    await world.scheduler.cancel(id, signal);
    expect(cgroups.members(tag)).toEqual([]);
    const pids = (await world.read(directory, "pids"))?.split("\n").filter((line) => line !== "") ?? [];
    for (const pid of pids) expect(table.read(Number(pid))).toBeUndefined();
    expect(cgroups.members(tag)).toEqual([]);
  });

  test("belong to the next daemon, too, which tells of an interruption only when nothing is left", async () => {
    await using service = openCgroupWorld();
    const { world } = open(service.directory);
    await using _ = world;
    const directory = await world.makeDirectory();
    const tag = freshTag();
    const id = await world.scheduler.submit(jobIn(directory, `${ESCAPES}; ${WAITS_FOR_GO}`), tag, signal);
    const pids = await pidsIn(world, directory, "pids", 2);
    const [script] = await eventually("the record", async () => {
      const text = await world.read(world.options.controlDir, tag);
      return text !== undefined && [Number.parseInt(text, 10)];
    });
    await world.scheduler.close();
    process.kill(-(script ?? 0), "SIGKILL");
    await eventually("the end of the script", () => table.read(script ?? 0) === undefined);
    const next = await world.reopen();
    const told: SchedulerStatus[] = [];
    next.listen?.((_id, status) => {
      told.push(status);
      for (const pid of pids) expect(table.read(pid)).toBeUndefined();
    });
    expect((await next.statuses([id], signal)).get(id)).toEqual({ type: "running" });
    await eventually("the end", () => told.length > 0);
    expect(told).toMatchObject([{ type: "ended", isInterrupted: true }]);
  });

  test("run as ever when their group cannot be made", async () => {
    await using service = openCgroupWorld();
    const { world } = open(join(service.directory, "absent"));
    await using _ = world;
    const directory = await world.makeDirectory();
    const id = await world.scheduler.submit(jobIn(directory, "echo done"), freshTag(), signal);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  });

  test("work for a daemon without privileges whose own group was delegated to it", async () => {
    await using service = openCgroupWorld();
    using dir = tempDir();
    chownSync(dir.path, NOBODY, NOBODY);
    service.delegateTo(NOBODY);
    const program = resolve(import.meta.dir, "../../support/delegated_process.ts");
    const command = `${ESCAPES}; ${ESCAPES}; until [ -e pids ]; do sleep 0.02; done; touch ready; sleep 300`;
    const join = `echo $$ >'${service.directory}/cgroup.procs'; exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups "$@"`;
    const ran = spawnSync("/bin/sh", ["-c", join, "sh", process.execPath, program, dir.path, freshTag(), command], {
      encoding: "utf8",
      env: { ...process.env, HOME: dir.path },
    });
    expect(ran.stderr).toBe("");
    const { own, before, after } = JSON.parse(ran.stdout);
    expect(own).toBe(service.directory);
    expect(before).toBeGreaterThanOrEqual(4);
    expect(after).toBe(0);
  });
});

describe.skipIf(skipReason !== undefined)("sweep()", () => {
  test("removes groups in which nobody lives, but those that are wanted", async () => {
    await using service = openCgroupWorld();
    const { world, cgroups } = open(service.directory);
    await using _ = world;
    const directory = await world.makeDirectory();
    const [running, ended, wanted] = [freshTag(), freshTag(), freshTag()];
    const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), running, signal);
    await pidsIn(world, directory, "pids");
    cgroups.make(ended);
    mkdirSync(join(service.directory, `attempt-${ended}`, "own-of-the-command"));
    cgroups.make(wanted);
    cgroups.sweep((tag) => tag === wanted);
    const isThere = (tag: string): boolean => existsSync(join(service.directory, `attempt-${tag}`));
    expect([running, ended, wanted].map(isThere)).toEqual([true, false, true]);
    await world.scheduler.cancel(id, signal);
  });
});

describe("delegatedCgroup()", () => {
  test("takes nothing for delegated that belongs to the administrator", () => {
    if (process.geteuid?.() === 0) expect(delegatedCgroup()).toBeUndefined();
  });

  test("is undefined where there is no proc file system, or none of version 2", () => {
    using dir = tempDir();
    expect(delegatedCgroup(dir.path)).toBeUndefined();
    mkdirSync(join(dir.path, "self"));
    writeFileSync(join(dir.path, "self", "cgroup"), "4:memory:/a\n");
    writeFileSync(join(dir.path, "self", "mountinfo"), "30 20 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n");
    expect(delegatedCgroup(dir.path)).toBeUndefined();
  });
});
