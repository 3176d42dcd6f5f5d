import { accessSync, chownSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { attemptCgroups } from "../../adapters/scheduler/attempt_cgroups.ts";
import { eventually } from "./eventually.ts";

/** A control group that stands for the one of a daemon's service. */
export interface CgroupWorld extends AsyncDisposable {
  readonly directory: string;
  /** Gives the group to another account, as systemd does with `Delegate=yes`. */
  delegateTo(userId: number): void;
}

/** @returns why no control groups can be made here; undefined when they can */
export function noCgroupsBecause(): string | undefined {
  const mount = cgroupMount();
  if (mount === undefined) return "control groups of version 2 are not mounted";
  try {
    accessSync(join(mount, "cgroup.procs"), constants.W_OK);
  } catch {
    return "control groups can be made by the administrator only";
  }
  const probe = join(mount, `bartender-probe-${process.pid}`);
  mkdirSync(probe);
  try {
    return existsSync(join(probe, "cgroup.kill")) ? undefined : "the kernel is older than 5.14";
  } finally {
    rmdirSync(probe);
  }
}

let worlds = 0;

export function openCgroupWorld(): CgroupWorld {
  const directory = join(cgroupMount() ?? "", `bartender-test-${process.pid}-${++worlds}`);
  mkdirSync(directory);
  return {
    directory,
    delegateTo(userId) {
      for (const name of [".", "cgroup.procs", "cgroup.kill"]) chownSync(join(directory, name), userId, userId);
    },
    async [Symbol.asyncDispose]() {
      const groups = attemptCgroups(directory);
      for (const name of readdirSync(directory).filter((child) => child.startsWith("attempt-"))) {
        const tag = name.slice("attempt-".length);
        groups.kill(tag);
        await eventually("the end of what a failed test left", () => groups.members(tag).length === 0);
        groups.remove(tag);
      }
      rmdirSync(directory);
    },
  };
}

function cgroupMount(): string | undefined {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return lines.map((line) => line.split(" ")).find((fields) => fields[2] === "cgroup2")?.[1];
}
