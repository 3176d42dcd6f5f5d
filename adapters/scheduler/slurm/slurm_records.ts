import { type AttemptRecord, parseAttemptRecord } from "../attempt_record.ts";
import type { SlurmCommands } from "./slurm_commands.ts";

/**
 * The records that the scripts of jobs leave on the cluster, one file per attempt, named by its tag.
 *
 * They are the last witness of a job of which Slurm knows nothing any more, and the only place where the exit status
 * of this very attempt stands.
 */
export interface SlurmRecords {
  pathOf(tag: string): string;
  /** What there is about `tags`; without the tags that have no record. */
  read(tags: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, AttemptRecord>>;
  /** Numbers of all jobs that have started, by tag. */
  started(signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /** Writes the exit status for scripts that were killed before they could, to record and job directory. */
  settle(
    ended: ReadonlyMap<string, { readonly directory: string; readonly returnCode: number }>,
    signal: AbortSignal,
  ): Promise<void>;
  remove(tags: readonly string[], signal: AbortSignal): Promise<void>;
}

/** Tags in one command. */
const BATCH = 500;

// One program for any number of files; grep ends with 1 when there is nothing and with 2 when a file is missing.
const READ = 'cd "$1" 2>/dev/null || exit 0; shift; grep -s "" -- "$@" /dev/null; exit 0';
const STARTED = 'cd "$1" 2>/dev/null || exit 0; grep -rsE "^[0-9]+ [{]" . /dev/null; exit 0';
// A script that was killed while it wrote the status down leaves an empty file.
const SETTLE = `cd "$1" || exit 1; shift
while [ "$#" -ge 3 ]; do
  printf '{"returnCode":%s}\\n' "$3" >>"$1"
  if [ -d "$2" ] && [ ! -s "$2/returncode" ]; then rm -f "$2/returncode"; printf %s "$3" >"$2/returncode"; fi
  shift 3
done`;
const REMOVE = 'cd "$1" 2>/dev/null || exit 0; shift; rm -f -- "$@"';

/** @param directory absolute, on a disk that every node of the cluster sees */
export function slurmRecords(commands: Pick<SlurmCommands, "shell">, directory: string): SlurmRecords {
  const inBatches = async (words: readonly string[], size: number, run: (some: readonly string[]) => Promise<void>) => {
    for (let first = 0; first < words.length; first += size) await run(words.slice(first, first + size));
  };
  return {
    pathOf: (tag) => `${directory}/${tag}`,
    async read(tags, signal) {
      const records = new Map<string, AttemptRecord>();
      await inBatches(tags, BATCH, async (some) => {
        for (const [tag, lines] of linesByFile(await commands.shell(READ, [directory, ...some], signal))) {
          records.set(tag, parseAttemptRecord(lines));
        }
      });
      return records;
    },
    async started(signal) {
      const numbers = new Map<string, number>();
      for (const [tag, lines] of linesByFile(await commands.shell(STARTED, [directory], signal))) {
        const head = parseAttemptRecord(lines).head;
        if (head !== undefined) numbers.set(tag, head.number);
      }
      return numbers;
    },
    async settle(ended, signal) {
      const words = [...ended].flatMap(([tag, { directory: at, returnCode }]) => [tag, at, String(returnCode)]);
      await inBatches(words, BATCH * 3, async (some) => {
        await commands.shell(SETTLE, [directory, ...some], signal);
      });
    },
    remove: (tags, signal) =>
      inBatches(
        tags.flatMap((tag) => [tag, `${tag}.sh`]),
        BATCH,
        async (some) => {
          await commands.shell(REMOVE, [directory, ...some], signal);
        },
      ),
  };
}

/** What grep prints of several files: `name:line`. Tags hold no colon. */
function linesByFile(text: string): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const match = /^(?:\.\/)?([A-Za-z0-9-]+):(.*)$/.exec(line);
    if (match === null) continue;
    const [, name = "", content = ""] = match;
    const lines = files.get(name);
    if (lines === undefined) files.set(name, [content]);
    else lines.push(content);
  }
  return files;
}
