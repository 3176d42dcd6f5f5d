import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Which attempts were handed to DIRAC, on the daemon's own disk.
 *
 * DIRAC can be asked for the job of an attempt, but a command costs a second. A tag without a mark was never handed
 * over, so nothing has to be asked before its first submission; and that of one which was answered is known.
 */
export interface SubmissionMarks {
  /** Undefined: never handed over. `number` is undefined when the answer of the submission is not known. */
  read(tag: string): Promise<{ readonly number: number | undefined } | undefined>;
  /** Is on the disk when it resolves; to be called before anything is handed over. */
  begin(tag: string): Promise<void>;
  /** The answer of the submission. */
  answered(tag: string, number: number): Promise<void>;
  remove(tag: string): Promise<void>;
}

/** @param directory absolute, made when missing; tags are names of files in it */
export function submissionMarks(directory: string): SubmissionMarks {
  const placeOf = (tag: string): string => join(directory, tag);
  const write = async (tag: string, text: string): Promise<void> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const part = `${placeOf(tag)}.part`;
    const file = await open(part, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, placeOf(tag));
    const names = await open(directory, "r");
    try {
      await names.sync();
    } finally {
      await names.close();
    }
  };
  return {
    async read(tag) {
      try {
        const text = await readFile(placeOf(tag), "utf8");
        return { number: /^[1-9]\d*$/.test(text) ? Number(text) : undefined };
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
    },
    begin: (tag) => write(tag, ""),
    answered: (tag, number) => write(tag, String(number)),
    remove: (tag) => rm(placeOf(tag), { force: true }),
  };
}
