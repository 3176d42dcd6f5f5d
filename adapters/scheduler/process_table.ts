import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

/** A living process. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parentId: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Start in ticks since boot; together with the pid it names a process for good. */
  readonly startTicks: number;
  /** Where its stack begins: at another place when it has become another program. 0 when that is not shown to us. */
  readonly stackStart: number;
}

/** What else is known about the processes of attempts. */
export interface AttemptMembers {
  /** Numbers of the processes in the control group of an attempt and in groups below; new ones may be missed. */
  members(tag: string): readonly number[];
  /** The kernel's word on whether anybody lives in there; false without a group. */
  isPopulated(tag: string): boolean;
}

/** The processes of this machine. A zombie counts as dead: nobody may collect it, e.g. in a container without init. */
export interface ProcessTable {
  /** Changes with every boot of the machine; letters and digits. */
  readonly bootId: string;
  /** @returns undefined when no such process lives. */
  read(pid: number): ProcessEntry | undefined;
  /** True when the process was started with {@link ATTEMPT_VARIABLE} set to `tag`. */
  isMarked(pid: number, tag: string): boolean;
  /**
   * All living processes of an attempt: marked ones wherever they went, those in the attempt's process group, session or
   * control group, and the descendants of all these.
   *
   * @param groupId process group of the attempt; undefined when it is not known
   * @param isGroupOurs false when the group's number may have been given to a stranger meanwhile; the group then
   *   counts only when a marked process is in its session
   */
  living(groupId: number | undefined, isGroupOurs: boolean, tag: string): readonly ProcessEntry[];
  /**
   * True when anything of an attempt lives. Where it has a control group this is the kernel's word, as processes that
   * come and go quickly may be missed by every list of them.
   */
  isAnyLiving(groupId: number | undefined, isGroupOurs: boolean, tag: string): boolean;
  /** The attempts of which marked processes live; without `/proc` nobody can tell. */
  livingTags(): ReadonlySet<string>;
  /** True when the process neither handles nor ignores SIGTERM, and so, when it still lives after one, missed it. */
  diesOfTerm(pid: number): boolean;
  /** How long the process has been running; 0 when that cannot be told. */
  ageMs(entry: ProcessEntry): number;
}

/** Environment variable that marks all processes of an attempt, also those that leave its process group. */
export const ATTEMPT_VARIABLE = "BARTENDER_ATTEMPT";

/** USER_HZ, the unit of times in /proc: 100 wherever Bun and Deno run. */
const TICKS_PER_SECOND = 100;
const SIGTERM_BIT = 1 << (constants.signals.SIGTERM - 1);

/**
 * Reads `proc_pid_stat(5)` and `proc_pid_environ(5)`. Where they do not exist, only process groups are looked at:
 * what leaves its group is not found there, and a reused number is not noticed.
 *
 * @param root where the proc file system is mounted
 * @param cgroups where each attempt has a control group
 */
export function processTable(root = "/proc", cgroups?: AttemptMembers): ProcessTable {
  return existsSync(join(root, "self", "stat")) ? linuxTable(root, cgroups) : groupTable();
}

function linuxTable(root: string, cgroups?: AttemptMembers): ProcessTable {
  const read = (pid: number): ProcessEntry | undefined => {
    const stat = readIfThere(`${root}/${pid}/stat`);
    return stat === undefined ? undefined : parseStat(pid, stat);
  };
  const isMarked = (pid: number, tag: string): boolean =>
    `\0${readIfThere(`${root}/${pid}/environ`) ?? ""}\0`.includes(`\0${ATTEMPT_VARIABLE}=${tag}\0`);
  return {
    bootId: (readIfThere(`${root}/sys/kernel/random/boot_id`) ?? "unknown").replaceAll(/[^0-9a-z]/g, "").slice(0, 12),
    read,
    isMarked,
    living(groupId, isGroupOurs, tag) {
      const all = readdirSync(root).flatMap((name) => (/^\d+$/.test(name) ? (read(Number(name)) ?? []) : []));
      const marked = all.filter(({ pid }) => isMarked(pid, tag));
      const isGroupKnown = isGroupOurs || marked.some((entry) => entry.sessionId === groupId);
      const mates = isGroupKnown ? all.filter((e) => e.groupId === groupId || e.sessionId === groupId) : [];
      const members = new Set(cgroups?.members(tag));
      const enclosed = all.filter(({ pid }) => members.has(pid));
      return withDescendants(new Set([...marked, ...mates, ...enclosed]), all).filter(({ pid }) => pid !== process.pid);
    },
    isAnyLiving(groupId, isGroupOurs, tag) {
      return this.living(groupId, isGroupOurs, tag).length > 0 || cgroups?.isPopulated(tag) === true;
    },
    livingTags() {
      const pids = readdirSync(root).filter((name) => /^\d+$/.test(name));
      const marks = pids.flatMap((pid) => {
        const environment = `\0${readIfThere(`${root}/${pid}/environ`) ?? ""}`;
        const at = environment.indexOf(`\0${ATTEMPT_VARIABLE}=`);
        if (at === -1 || read(Number(pid)) === undefined) return [];
        const from = at + ATTEMPT_VARIABLE.length + 2;
        return [environment.slice(from, environment.indexOf("\0", from))];
      });
      return new Set(marks);
    },
    diesOfTerm(pid) {
      const status = readIfThere(`${root}/${pid}/status`) ?? "";
      const masks = [...status.matchAll(/^Sig(?:Ign|Cgt):\s*[0-9a-f]{8}([0-9a-f]{8})$/gm)];
      return masks.length === 2 && masks.every(([, mask]) => (Number.parseInt(mask ?? "", 16) & SIGTERM_BIT) === 0);
    },
    ageMs(entry) {
      const uptimeS = Number.parseFloat(readIfThere(`${root}/uptime`) ?? "0");
      // Negative where a container shows an uptime of its own.
      return Math.max(0, uptimeS * 1000 - (entry.startTicks / TICKS_PER_SECOND) * 1000);
    },
  };
}

function withDescendants(family: Set<ProcessEntry>, all: readonly ProcessEntry[]): ProcessEntry[] {
  const pids = new Set([...family].map(({ pid }) => pid));
  for (let size = -1; size !== family.size; ) {
    size = family.size;
    for (const entry of all) {
      if (pids.has(entry.parentId)) {
        family.add(entry);
        pids.add(entry.pid);
      }
    }
  }
  return [...family];
}

function groupTable(): ProcessTable {
  const entryOf = (pid: number, target: number): ProcessEntry | undefined =>
    isThere(target) ? { pid, parentId: 0, groupId: pid, sessionId: pid, startTicks: 0, stackStart: 0 } : undefined;
  return {
    bootId: "unknown",
    read: (pid) => entryOf(pid, pid),
    isMarked: () => true,
    living(groupId, isGroupOurs) {
      const entry = groupId === undefined || !isGroupOurs ? undefined : entryOf(groupId, -groupId);
      return entry === undefined ? [] : [entry];
    },
    isAnyLiving(groupId, isGroupOurs, tag) {
      return this.living(groupId, isGroupOurs, tag).length > 0;
    },
    livingTags: () => new Set(),
    diesOfTerm: () => false,
    ageMs: () => 0,
  };
}

/** The name in the second field may hold blanks and parentheses, so fields are counted from its end. */
function parseStat(pid: number, stat: string): ProcessEntry | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const number = (index: number): number => Number(fields[index]);
  // A process whose first thread has ended while others run looks like a zombie, too.
  const isDead = fields[0] === "X" || (fields[0] === "Z" && number(17) <= 1);
  return isDead
    ? undefined
    : {
        ...{ pid, parentId: number(1), groupId: number(2), sessionId: number(3) },
        ...{ startTicks: number(19), stackStart: number(25) },
      };
}

/** Processes vanish while being looked at, and those of other accounts do not show their environment. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(codeOf(error))) {
      return undefined;
    }
    throw error;
  }
}

function isThere(target: number): boolean {
  try {
    process.kill(target, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** `code` of a system error, empty for others. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
