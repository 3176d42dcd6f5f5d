import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "../../../adapters/scheduler/process_table.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp_dir.ts";

/** A process that ends with the test. */
function start(program: string, args: readonly string[], tag = "none") {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
    env: { ...process.env, BARTENDER_ATTEMPT: tag },
  });
  const gone = once(child, "exit");
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      process.kill(-(child.pid ?? 0), "SIGKILL");
      await gone;
    },
  };
}

/** A directory that looks like /proc, for what cannot be made to happen. */
function fakeProc(stats: Readonly<Record<number, string>>) {
  const dir = tempDir();
  const all = { self: "1 (x) S", ...stats };
  for (const [name, stat] of Object.entries(all)) {
    mkdirSync(join(dir.path, name));
    writeFileSync(join(dir.path, name, "stat"), stat);
  }
  return { root: dir.path, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

/** The fields of proc_pid_stat(5) from the third on. */
function fields(state: string, threads: number): string {
  return `${state} 11 12 13 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 ${threads} 0 4711 0 0 0 1 2 140720`;
}

test("a process is read with parent, group, session and start, whatever its name is", async () => {
  using dir = tempDir();
  const program = join(dir.path, "a) Z 1 (b");
  copyFileSync("/bin/sleep", program);
  await using child = start(program, ["60"]);
  const entry = processTable().read(child.pid);
  expect(entry).toMatchObject({ pid: child.pid, parentId: process.pid, groupId: child.pid, sessionId: child.pid });
  expect(entry?.startTicks).toBeGreaterThan(0);
});

test("a zombie is dead", async () => {
  // The shell becomes a program that does not collect the child which it inherits.
  await using parent = start("/bin/sh", ["-c", "sleep 0 & exec sleep 60"], "zombie-test");
  const table = processTable();
  await eventually("a zombie", () => {
    const living = table.living(parent.pid, true, "zombie-test").map(({ pid }) => pid);
    return living.length === 1 && living[0] === parent.pid;
  });
});

test("a process whose first thread has ended lives as long as another thread does", () => {
  using proc = fakeProc({ 5: `5 (a) ${fields("Z", 2)}`, 6: `6 (a) ${fields("Z", 1)}`, 7: `7 (a) ${fields("X", 2)}` });
  const table = processTable(proc.root);
  expect(table.read(5)).toEqual({
    ...{ pid: 5, parentId: 11, groupId: 12, sessionId: 13 },
    ...{ startTicks: 4711, stackStart: 140_720 },
  });
  expect(table.read(6)).toBeUndefined();
  expect(table.read(7)).toBeUndefined();
  expect(table.read(8)).toBeUndefined();
});

test("a mark counts only whole", async () => {
  await using child = start("/bin/sleep", ["60"], "tag-12");
  const table = processTable();
  await eventually("the environment", () => table.isMarked(child.pid, "tag-12"));
  expect(table.isMarked(child.pid, "tag-1")).toBe(false);
  expect(table.isMarked(child.pid, "ag-12")).toBe(false);
  expect(table.living(undefined, false, "tag-12").map(({ pid }) => pid)).toEqual([child.pid]);
  expect(table.living(undefined, false, "tag-1")).toEqual([]);
});

test("a group that may have become a stranger's counts only with a marked process in its session", async () => {
  await using stranger = start("/bin/sleep", ["60"], "other");
  const table = processTable();
  expect(table.living(stranger.pid, false, "mine")).toEqual([]);
  expect(table.living(stranger.pid, true, "mine").map(({ pid }) => pid)).toEqual([stranger.pid]);
});

test("descendants count even when they have left session and environment", async () => {
  await using parent = start("/bin/sh", ["-c", "setsid env -i sleep 60 & wait"], "kin-test");
  const table = processTable();
  const living = await eventually("the child in a session of its own", () => {
    const found = table.living(parent.pid, true, "kin-test");
    return found.some(({ sessionId }) => sessionId !== parent.pid) && found;
  });
  expect(living).toHaveLength(2);
  const child = living.find(({ sessionId }) => sessionId !== parent.pid);
  process.kill(child?.pid ?? 0, "SIGKILL");
});

test("a process tells whether SIGTERM would end it, and how long it has been running", async () => {
  await using meek = start("/bin/sleep", ["60"]);
  await using stubborn = start("/bin/sh", ["-c", "trap '' TERM; sleep 60; true"]);
  await using handling = start("/bin/sh", ["-c", "trap : TERM; sleep 60; true"]);
  const table = processTable();
  await eventually("the traps", () => !table.diesOfTerm(stubborn.pid) && !table.diesOfTerm(handling.pid));
  expect(table.diesOfTerm(meek.pid)).toBe(true);
  const entry = table.read(meek.pid);
  const ageMs = entry === undefined ? -1 : table.ageMs(entry);
  expect(ageMs).toBeGreaterThanOrEqual(0);
  expect(ageMs).toBeLessThan(60_000);
});

test("a start after the clock of a container counts as now", () => {
  using proc = fakeProc({});
  writeFileSync(join(proc.root, "uptime"), "10.00 5.00\n");
  const table = processTable(proc.root);
  const entry = { pid: 5, parentId: 1, groupId: 5, sessionId: 5, startTicks: 600, stackStart: 0 };
  expect(table.ageMs(entry)).toBe(4000);
  expect(table.ageMs({ ...entry, startTicks: 99_999 })).toBe(0);
});

test("without /proc a process group is looked at as a whole", async () => {
  using dir = tempDir();
  const table = processTable(join(dir.path, "absent"));
  const child = start("/bin/sleep", ["60"]);
  expect(table.read(child.pid)?.pid).toBe(child.pid);
  expect(table.living(child.pid, true, "any")).toHaveLength(1);
  expect(table.living(child.pid, false, "any")).toEqual([]);
  await child[Symbol.asyncDispose]();
  expect(table.living(child.pid, true, "any")).toEqual([]);
  expect(table.read(child.pid)).toBeUndefined();
});
