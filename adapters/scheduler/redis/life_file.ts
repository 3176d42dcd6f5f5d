import { appendFileSync, closeSync, constants, existsSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../../src/core/errors.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import type { Logger } from "../../../src/ports/logger.ts";
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
  /** To be noted before the deed, which does not wait for room on the disk: a command may not outlive its time. */
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

/** @param home of a performer */
export function lifeFiles(home: string, logger: Logger): LifeFiles {
  const lifeFile = join(home, "life");
  const guardFile = join(home, "guard");
  const endedFile = join(home, "ended");
  const startsFile = join(home, "starts");
  const left = readIfThere(startsFile) ?? "";
  const starts = new Set(startsIn(left));
  const life = overwriting(lifeFile);
  const guardNote = overwriting(guardFile);
  const startsNote = overwriting(startsFile);
  let longest = left.length;
  const writeStarts = (): void => {
    const text = [...starts].join("\n");
    startsNote.write(text.padEnd(longest, "\n"));
    longest = Math.max(longest, text.length);
  };
  return {
    isAvailable: existsSync(UPTIME),
    nowMs: () => Number.parseFloat(readFileSync(UPTIME, "latin1")) * 1000,
    setUntilMs: (untilMs) => life.write(padded(untilMs)),
    untilMs: () => numberIn(lifeFile),
    setGuard: (pid) => guardNote.write(padded(pid)),
    guard: () => numberIn(guardFile),
    noteEnding(tag) {
      try {
        appendFileSync(endedFile, `${tag}\n`, { mode: 0o600 });
      } catch (error) {
        logger.error("It could not be noted that a command is ended through no fault of its own", {
          tag,
          reason: messageOf(error),
        });
      }
    },
    // Absence is the rule, and an exception would cost more than this look.
    wasEnded: (tag) => existsSync(endedFile) && `\n${readIfThere(endedFile) ?? ""}`.includes(`\n${tag}\n`),
    noteStart(tag) {
      starts.add(tag);
      try {
        writeStarts();
      } catch (error) {
        starts.delete(tag);
        throw error;
      }
    },
    starts: () => startsIn(readIfThere(startsFile)),
    forgetStart(tag) {
      if (starts.delete(tag)) writeStarts();
    },
    clear: () => rmSync(endedFile, { force: true }),
    close() {
      life.close();
      guardNote.close();
      startsNote.close();
    },
  };
}

/** Always of the same length, to be written over. */
function padded(number: number): string {
  return String(Math.round(number)).padEnd(20, "\n");
}

/**
 * Writes over what was there: that needs no room on a disk that is full by now, and costs less than another file. In one
 * piece, so that whoever reads meanwhile finds one state or the other.
 */
function overwriting(path: string): { write(text: string): void; close(): void } {
  let file: number | undefined;
  return {
    write(text) {
      file ??= openSync(path, constants.O_CREAT | constants.O_WRONLY, 0o600);
      writeSync(file, text, 0);
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function startsIn(text = ""): readonly AttemptTag[] {
  return text.split("\n").filter(isTag) as AttemptTag[];
}

function numberIn(file: string): number | undefined {
  const text = (readIfThere(file) ?? "").trimEnd();
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
