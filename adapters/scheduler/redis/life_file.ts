import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { AttemptTag } from "../../../src/core/ids.ts";
import { isTag } from "../attempt_id.ts";
import { codeOf } from "../process_table.ts";

/**
 * What a performer and its guard tell each other, in files of their home. Times are those of `/proc/uptime`, which go
 * on while the machine sleeps and mean the same to every process.
 */
export interface LifeFiles {
  /** False where the system has no such clock; commands are not guarded there. */
  readonly isAvailable: boolean;
  nowMs(): number;
  /** Until when commands may live. */
  setUntilMs(untilMs: number): void;
  /** @returns undefined while nothing was told */
  untilMs(): number | undefined;
  /** The process that guards; whoever came last. */
  setGuard(pid: number): void;
  guard(): number | undefined;
  /** To be noted before the deed. */
  noteEnding(tag: string): void;
  /** True when the guard has ended the command of an attempt. */
  wasEnded(tag: string): boolean;
  /** To be noted before it is looked whether there is still time to start the command of an attempt. */
  noteStart(tag: AttemptTag): void;
  /** The attempts whose commands may be on their way, though there is no record of them yet. */
  starts(): readonly AttemptTag[];
  forgetStart(tag: AttemptTag): void;
  /** Removes the notes of ends, when there are no attempts to which they belong. */
  clear(): void;
  /** Idempotent. */
  close(): void;
}

const UPTIME = "/proc/uptime";

/** Of a time, however long the machine is up, so that one takes exactly the place of another. */
const DIGITS = 16;

/** @param home of a performer */
export function lifeFiles(home: string): LifeFiles {
  const lifeFile = join(home, "life");
  const guardFile = join(home, "guard");
  const endedFile = join(home, "ended");
  const startsFile = join(home, "starts");
  const left = readIfThere(startsFile) ?? "";
  const starts = new Set(startsIn(left));
  let file: number | undefined;
  let longest = left.length;
  /** Written over what was there, as a file for each would cost as much as all else that is noted of an attempt. */
  const writeStarts = (): void => {
    file ??= openSync(startsFile, constants.O_CREAT | constants.O_WRONLY, 0o600);
    const text = [...starts].join("\n");
    longest = Math.max(longest, text.length);
    // In one piece, so that whoever reads meanwhile finds one state or the other.
    writeSync(file, text.padEnd(longest, "\n"), 0);
  };
  return {
    isAvailable: existsSync(UPTIME),
    nowMs: () => Number.parseFloat(readFileSync(UPTIME, "latin1")) * 1000,
    setUntilMs: (untilMs) => replaceOnFullDisk(lifeFile, String(Math.round(untilMs)).padStart(DIGITS, "0")),
    untilMs: () => numberIn(lifeFile),
    setGuard: (pid) => replace(guardFile, String(pid)),
    guard: () => numberIn(guardFile),
    noteEnding: (tag) => appendFileSync(endedFile, `${tag}\n`, { mode: 0o600 }),
    // Absence is the rule, and an exception would cost more than this look.
    wasEnded: (tag) => existsSync(endedFile) && `\n${readIfThere(endedFile) ?? ""}`.includes(`\n${tag}\n`),
    noteStart(tag) {
      starts.add(tag);
      writeStarts();
    },
    starts: () => startsIn(readIfThere(startsFile)),
    forgetStart(tag) {
      if (starts.delete(tag)) writeStarts();
    },
    clear: () => rmSync(endedFile, { force: true }),
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function startsIn(text = ""): readonly AttemptTag[] {
  return text.split("\n").filter(isTag) as AttemptTag[];
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** @param text as long as what is there */
function replaceOnFullDisk(file: string, text: string): void {
  try {
    replace(file, text);
  } catch (error) {
    const isFull = codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
    if (!isFull || readIfThere(file)?.length !== text.length) throw error;
    // What is written over takes no room. Jobs that run must not be lost because one of them has filled the disk.
    const open = openSync(file, constants.O_WRONLY);
    try {
      writeSync(open, text, 0);
    } finally {
      closeSync(open);
    }
  }
}

function numberIn(file: string): number | undefined {
  const text = readIfThere(file) ?? "";
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
