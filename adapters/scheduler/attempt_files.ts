import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type AttemptRecord, parseAttemptRecord } from "./attempt_record.ts";
import { codeOf } from "./process_table.ts";

/** What is known on disk about one attempt to run a job on this machine. */
export interface LocalAttempt extends Omit<AttemptRecord, "head"> {
  /** Who runs it; undefined while the record is being written, and for ever when the machine went down just then. */
  readonly claim: { readonly pid: number; readonly bootId: string; readonly directory: string } | undefined;
}

/**
 * The records in the control directory, one file per attempt, named by its tag.
 *
 * First line: pid, a blank, `{"boot":…,"directory":…}`; further lines as {@link parseAttemptRecord} reads them. The
 * exit status is kept here besides the job's directory, because there it could be that of an earlier attempt, or of the
 * command's own making.
 */
export interface AttemptFiles {
  pathOf(tag: string): string;
  /** False when the directory itself is not there, so that nothing follows from the absence of a record. */
  areReachable(): boolean;
  /** Text of the first line after the pid. */
  headOf(bootId: string, directory: string): string;
  /** @returns undefined when the attempt never began. */
  read(tag: string): LocalAttempt | undefined;
  /** Makes the record in the place of a script that was ended before it could; an existing one stays. */
  claim(tag: string, pid: number, head: string): void;
  /** Adds a line; must be there before the effect that it explains. */
  append(tag: string, line: { readonly reason: string } | { readonly returnCode: number }): void;
  /** Keeps a command that is too long for an argument. @returns the path of the file */
  writeScript(tag: string, command: string): string;
  /** Removes everything about the attempt. Idempotent. */
  remove(tag: string): void;
}

/** @param controlDir absolute; made with mode 700, with its parents, when it is absent */
export function attemptFiles(controlDir: string): AttemptFiles {
  mkdirSync(controlDir, { recursive: true, mode: 0o700 });
  const pathOf = (tag: string): string => join(controlDir, tag);
  const scriptOf = (tag: string): string => join(controlDir, `${tag}.sh`);
  return {
    pathOf,
    areReachable: () => existsSync(controlDir),
    headOf: (bootId, directory) => JSON.stringify({ boot: bootId, directory }),
    read(tag) {
      // Absence is the rule before a start, and an exception would cost more than this look.
      const text = existsSync(pathOf(tag)) ? ifThere(() => readFileSync(pathOf(tag), "utf8")) : undefined;
      return text === undefined ? undefined : parseRecord(text);
    },
    claim(tag, pid, head) {
      try {
        writeFileSync(pathOf(tag), `${pid} ${head}\n`, { flag: "wx" });
      } catch (error) {
        if (codeOf(error) !== "EEXIST") {
          throw error;
        }
      }
    },
    append: (tag, line) => appendFileSync(pathOf(tag), `${JSON.stringify(line)}\n`),
    writeScript(tag, command) {
      const path = scriptOf(tag);
      // Another shell may be reading this file; it keeps what it has opened.
      writeFileSync(`${path}.new`, command, { mode: 0o600 });
      renameSync(`${path}.new`, path);
      return path;
    },
    remove(tag) {
      ifThere(() => unlinkSync(pathOf(tag)));
      if (existsSync(scriptOf(tag))) {
        ifThere(() => unlinkSync(scriptOf(tag)));
      }
    },
  };
}

/** Writes `returncode` for a script that was ended before it could. */
export function writeReturnCode(directory: string, returnCode: number): void {
  const path = join(directory, "returncode");
  rmSync(path, { recursive: true, force: true });
  writeFileSync(path, String(returnCode), { flag: "wx" });
}

function parseRecord(text: string): LocalAttempt {
  const { head, ...rest } = parseAttemptRecord(text.split("\n"));
  const { boot, directory } = head?.facts ?? {};
  const isWhole = head !== undefined && typeof boot === "string" && typeof directory === "string";
  return { ...rest, claim: isWhole ? { pid: head.number, bootId: boot, directory } : undefined };
}

function ifThere<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "EACCES"].includes(codeOf(error))) {
      return undefined;
    }
    throw error;
  }
}
