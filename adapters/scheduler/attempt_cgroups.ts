import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type AttemptMembers, codeOf } from "./process_table.ts";

/**
 * A control group of version 2 for each attempt (`cgroups(7)`): what an attempt starts stays in its group, also when it
 * leaves session and process group and clears its environment, and the kernel ends a group as a whole.
 */
export interface AttemptCgroups extends AttemptMembers {
  /**
   * Makes the group of an attempt.
   *
   * @returns the file into which a process writes its number to join; undefined when the group cannot be made
   */
  make(tag: string): string | undefined;
  /** Sends SIGKILL to all of them, so that none can slip away by forking; as far as that is possible. */
  kill(tag: string): void;
  /** Removes the group, unless somebody lives in it. Idempotent. */
  remove(tag: string): void;
  /** Removes the groups in which nobody lives, but for those of `kept`; for what earlier daemons left. */
  sweep(kept: (tag: string) => boolean): void;
}

/** Children of the group have this name with the tag behind it. */
const PREFIX = "attempt-";

/** @param parent directory of the group in which to make the others; see {@link delegatedCgroup} */
export function attemptCgroups(parent: string): AttemptCgroups {
  const directoryOf = (tag: string): string => join(parent, `${PREFIX}${tag}`);
  const remove = (tag: string): void => {
    try {
      removeTree(directoryOf(tag));
    } catch (error) {
      if (!ABSENT_OR_IN_USE.includes(codeOf(error))) throw error;
    }
  };
  return {
    make(tag) {
      try {
        mkdirSync(directoryOf(tag));
      } catch (error) {
        if (codeOf(error) === "") throw error;
        // No more groups are allowed, or the delegation was taken back; the mark in the environment is there still.
        if (codeOf(error) !== "EEXIST") return undefined;
      }
      return join(directoryOf(tag), "cgroup.procs");
    },
    members: (tag) => membersOf(directoryOf(tag)),
    isPopulated: (tag) => /^populated 1$/m.test(readIfThere(join(directoryOf(tag), "cgroup.events")) ?? ""),
    kill(tag) {
      try {
        // Nobody may read this file, so it must not be opened for that.
        const file = openSync(join(directoryOf(tag), "cgroup.kill"), constants.O_WRONLY);
        try {
          writeSync(file, "1");
        } finally {
          closeSync(file);
        }
      } catch (error) {
        if (codeOf(error) === "") throw error;
      }
    },
    remove,
    sweep(kept) {
      for (const name of readdirSync(parent)) {
        const tag = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
        if (tag !== undefined && !kept(tag)) remove(tag);
      }
    },
  };
}

/**
 * The control groups for the attempts of this daemon; what earlier daemons left empty is removed.
 *
 * @param controlDir with the records of the attempts that may still be asked for
 * @returns undefined when this process has no group of its own
 */
export function openAttemptCgroups(controlDir: string): AttemptCgroups | undefined {
  const parent = delegatedCgroup();
  if (parent === undefined) return undefined;
  const cgroups = attemptCgroups(parent);
  cgroups.sweep((tag) => existsSync(join(controlDir, tag)));
  return cgroups;
}

/**
 * The control group of this process, when it was delegated to our account, as systemd does with `Delegate=yes`.
 *
 * @returns its directory; undefined when groups cannot be made there. What belongs to the administrator is never taken
 *   for delegated, as write access says nothing there.
 */
export function delegatedCgroup(procRoot = "/proc"): string | undefined {
  const path = /^0::(\/.+)$/m.exec(readIfThere(join(procRoot, "self/cgroup")) ?? "")?.[1];
  const mount = readIfThere(join(procRoot, "self/mountinfo"))
    ?.split("\n")
    .map((line) => line.split(" "))
    .find((fields) => fields[fields.indexOf("-") + 1] === "cgroup2" && fields[3] === "/")?.[4];
  if (path === undefined || mount === undefined) return undefined;
  const directory = join(mount, path);
  return isOurs(directory) ? directory : undefined;
}

function isOurs(directory: string): boolean {
  try {
    const userId = process.geteuid?.() ?? 0;
    for (const name of ["cgroup.kill", "cgroup.procs", "."]) accessSync(join(directory, name), constants.W_OK);
    return userId !== 0 && statSync(directory).uid === userId;
  } catch (error) {
    if (codeOf(error) !== "") return false;
    throw error;
  }
}

function membersOf(directory: string): number[] {
  const text = readIfThere(join(directory, "cgroup.procs"));
  if (text === undefined) return [];
  const pids = text
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
  return [...pids, ...childrenOf(directory).flatMap(membersOf)];
}

function removeTree(directory: string): void {
  for (const child of childrenOf(directory)) removeTree(child);
  rmdirSync(directory);
}

/** Commands with the rights of the daemon may make groups of their own. */
function childrenOf(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

const ABSENT_OR_IN_USE = ["ENOENT", "EBUSY", "ENOTEMPTY", "ENODEV"];

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // A group that is removed while being read answers ENODEV.
    if (["ENOENT", "ENODEV", "EACCES"].includes(codeOf(error))) return undefined;
    throw error;
  }
}
