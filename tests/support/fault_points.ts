import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as wait } from "node:timers/promises";
import type { Destination } from "../../actors/destination.ts";
import type { JobWorld } from "../../actors/job_effects.ts";
import type { Clock } from "../../src/ports/clock.ts";

/*
 * A fault point is a call of a port, with the side of it: `before:` it begins, or `after:` it has done its work and
 * before its caller is told. The calls are
 *
 *   insert, save:<phase>, remove-row            of the store
 *   adopt, append-reason, remove-directory      of the daemon's own files
 *   submit, find, statuses, cancel, forget      of the scheduler
 *   upload, download, remove-copy               of a file system to copy to
 */

/** Name in the directory of faults: `kill <point>` or `hang <point>`. */
export const FAULT_FILE = "fault";
/** Name in the directory of faults: lines `<job> <point>`; that call for that job waits as long as its line is there. */
export const HOLD_FILE = "hold";
/** Name in the directory of faults: such lines of the calls that have come to wait. */
export const HELD_FILE = "held";
/** Name in the directory of faults: the fault whose point a call has come to. */
export const REACHED_FILE = "reached";
/** Name in the directory of faults: milliseconds by which the clock is wrong. */
export const CLOCK_FILE = "clock";

/** Name in the directory of faults: how many times as fast as the machine the daemon ages; read at its start. */
export const SPEED_FILE = "speed";

/** Name in the directory of faults: settings of a file system that takes the place of the daemon's own files. */
export const COPIES_FILE = "copies.json";

/** What else is under way may get so far before the daemon dies. */
const LAST_MS = 50;

/** Time between two looks whether a call is still held. */
const HOLD_LOOK_MS = 20;

/** Lets effects of jobs wait at the fault point that is armed, until the end of the process. */
export function withFaults(world: JobWorld, directory: string): JobWorld {
  const reach = async (point: string, args: readonly unknown[]): Promise<void> => {
    const held = `${jobOf(args)} ${point}`;
    const isHeld = (): boolean => read(directory, HOLD_FILE).split("\n").includes(held);
    if (isHeld()) appendFileSync(join(directory, HELD_FILE), `${held}\n`);
    while (isHeld()) await wait(HOLD_LOOK_MS);
    const [fault, armed] = read(directory, FAULT_FILE).split(" ");
    if (armed !== point) return;
    writeFileSync(join(directory, REACHED_FILE), `${fault} ${point}`);
    if (fault === "kill") setTimeout(() => process.kill(process.pid, "SIGKILL"), LAST_MS);
    await new Promise(() => {});
  };
  const around = <T extends object>(port: T, names: Names<T>): T => wrapped(port, names, reach);
  const aroundDestination = (destination: Destination): Destination => ({
    ...destination,
    scheduler: around(destination.scheduler, {
      submit: () => "submit",
      find: () => "find",
      statuses: () => "statuses",
      cancel: () => "cancel",
      forget: () => "forget",
    }),
    fileSystem: around(destination.fileSystem, {
      upload: () => "upload",
      download: () => "download",
      remove: () => "remove-copy",
    }),
  });
  return {
    ...world,
    store: around(world.store, {
      insert: () => "insert",
      insertOnce: () => "insert",
      save: (job) => `save:${job.progress.phase}`,
      remove: () => "remove-row",
    }),
    files: around(world.files, {
      adopt: () => "adopt",
      appendReason: () => "append-reason",
      remove: () => "remove-directory",
    }),
    destinations: new Map([...world.destinations].map(([name, found]) => [name, aroundDestination(found)])),
  };
}

/** A clock that is wrong by what stands in the directory of faults, at each moment. */
export function steppedClock(clock: Clock, directory: string): Clock {
  return { ...clock, nowMs: () => clock.nowMs() + Number(read(directory, CLOCK_FILE)) };
}

/**
 * A clock on which delays and durations pass faster than on the clock of the machine, so that a long outage takes a short
 * time. The time of day stays right.
 */
export function hurriedClock(clock: Clock, directory: string): Clock {
  const speed = Number(read(directory, SPEED_FILE)) || 1;
  return {
    ...clock,
    monotonicMs: () => clock.monotonicMs() * speed,
    after: (delayMs, run) => clock.after(delayMs / speed, run),
  };
}

/** How calls of the methods of a port are named. */
type Names<T> = {
  readonly [K in keyof T]?: NonNullable<T[K]> extends (...args: infer A) => unknown ? (...args: A) => string : never;
};

/** @param args of the call */
type Reach = (point: string, args: readonly unknown[]) => Promise<void>;

function wrapped<T extends object>(port: T, names: Names<T>, reach: Reach): T {
  return new Proxy(port, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      const nameOf = Reflect.get(names, key) as ((...args: unknown[]) => string) | undefined;
      if (nameOf === undefined) return value.bind(target);
      return async (...args: unknown[]): Promise<unknown> => {
        const name = nameOf(...args);
        await reach(`before:${name}`, args);
        const answer: unknown = await value.apply(target, args);
        await reach(`after:${name}`, args);
        return answer;
      };
    },
  });
}

/** The number of the job that a call is for: itself, in a job, or at the end of a tag or of the name of a directory. */
function jobOf(args: readonly unknown[]): number | undefined {
  for (const arg of args) {
    if (typeof arg === "number") return arg;
    if (typeof arg === "object" && arg !== null && "id" in arg && typeof arg.id === "number") return arg.id;
    const end = typeof arg === "string" ? /(?:-(\d+)-\d+|\/(\d+))$/.exec(arg) : null;
    if (end !== null) return Number(end[1] ?? end[2]);
  }
  return undefined;
}

function read(directory: string, name: string): string {
  const path = join(directory, name);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
}
