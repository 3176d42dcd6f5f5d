import { SchedulerRefusedError, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import { type TakeTurns, turnTaking } from "../turn_taking.ts";
import { type Submission, type SubmissionAnswer, sbatchAnswers, sbatchScript, unsubmitted } from "./sbatch.ts";
import { definite, type SlurmProgramsOptions, slurmPrograms } from "./slurm_programs.ts";
import { lastWords } from "./slurm_refusal.ts";
import { slurmStateName } from "./slurm_state.ts";

/** One job as squeue or sacct shows it. */
export interface SlurmRow {
  readonly number: number;
  /** Name of the state without what may follow it. */
  readonly state: string;
  readonly name: string;
  /** Why it waits or ended, in Slurm's words; may be empty. */
  readonly detail: string;
}

export interface SlurmCommandsOptions extends SlurmProgramsOptions {
  /** Lets one question about jobs run at a time. Default: they run when they come. */
  readonly askInTurn?: TakeTurns | undefined;
}

/**
 * Slurm's commands. Each throws {@link SchedulerUnavailableError} when there was no definite answer.
 *
 * Outputs are those of Slurm 20.11 to 24; fields are separated by a control character, as comments and reasons may hold
 * anything else.
 */
export interface SlurmCommands {
  /**
   * Submits jobs with one command, in their order. Does not throw.
   *
   * @param submissions at least one
   * @returns an answer for each; none for those after one that was refused, and none for the last ones where that took too
   *   long: they were not submitted
   */
  submit(submissions: readonly Submission[], signal: AbortSignal): Promise<readonly SubmissionAnswer[]>;
  /** Those of `numbers` that the controller still knows, ended ones included. */
  queue(numbers: readonly number[], signal: AbortSignal): Promise<readonly SlurmRow[]>;
  /** The jobs of this account that the controller knows, or those with one of `names`. */
  queueByName(names: readonly string[] | undefined, signal: AbortSignal): Promise<readonly SlurmRow[]>;
  /** How often the controller has put those of `numbers` that it knows back into the queue, by number. */
  restarts(numbers: readonly number[], signal: AbortSignal): Promise<ReadonlyMap<number, number>>;
  /**
   * Those of `numbers` that the accounting knows, with a row for each time that a job was in the queue, the last one
   * last; undefined when there is no accounting.
   */
  accounts(numbers: readonly number[], signal: AbortSignal): Promise<readonly SlurmRow[] | undefined>;
  accountsByName(names: readonly string[], signal: AbortSignal): Promise<readonly SlurmRow[] | undefined>;
  /** Asks Slurm to end a job when its name is still `name`; an unknown or ended job is a no-op. */
  cancel(number: number, name: string | undefined, signal: AbortSignal): Promise<void>;
  /** Names of all partitions. */
  partitions(signal: AbortSignal): Promise<readonly string[]>;
  /** Asks whether a job would be taken, without submitting it. @throws {SchedulerRefusedError} with Slurm's words */
  test(script: string, args: readonly string[], signal: AbortSignal): Promise<void>;
  /** Runs a script of `/bin/sh` with arguments there. @returns its standard output; its exit status has to be 0 */
  shell(script: string, args: readonly string[], signal: AbortSignal): Promise<string>;
}

const SEPARATOR = "\x1f";

/** Arguments of one command may have some 128 KiB. */
const MAX_NUMBERS = 8_000;
const MAX_NAMES = 800;

/** When many jobs are cancelled at a time, so many commands do it; more only burden the controller and this machine. */
const CANCELS = 8;

/** How far back a job is looked for by name in the accounting. */
const NAME_WINDOW = "now-30days";

export function slurmCommands(options: SlurmCommandsOptions): SlurmCommands {
  const { timeoutMs, start, run, ask } = slurmPrograms(options);
  const { askInTurn = (work) => work() } = options;
  const cancelInTurn = turnTaking(CANCELS);

  const squeueText = async (more: readonly string[], signal: AbortSignal): Promise<string> => {
    const result = await askInTurn(() => ask("squeue", ["--noheader", "--states=all", ...more], signal));
    // With one number that it does not know squeue fails; with several it leaves them out.
    if (result.returnCode !== 0 && /Invalid job id/i.test(result.stderr.text)) return "";
    return definite("squeue", result).stdout.text;
  };

  const squeue = async (filter: readonly string[], signal: AbortSignal): Promise<readonly SlurmRow[]> => {
    const format = ["%i", "%T", "%j", "%r"].join(SEPARATOR);
    return parseRows(await squeueText([`--format=${format}`, ...filter], signal));
  };

  const sacct = async (filter: readonly string[], signal: AbortSignal): Promise<readonly SlurmRow[] | undefined> => {
    const args = ["--noheader", "--parsable2", `--delimiter=${SEPARATOR}`, "--allocations"];
    const format = "--format=JobIDRaw,State,JobName,Reason";
    const result = await askInTurn(() => ask("sacct", [...args, format, ...filter], signal));
    if (result.returnCode !== 0 && /accounting storage is disabled/i.test(result.stderr.text)) return undefined;
    return parseRows(definite("sacct", result).stdout.text);
  };

  return {
    async submit(submissions, signal) {
      try {
        const stdin = sbatchScript(submissions, Math.floor(timeoutMs / 2_000));
        const result = await start("/bin/sh", ["-s"], signal, { stdin });
        return sbatchAnswers(submissions.length, result);
      } catch (error) {
        return submissions.map(() => unsubmitted(error));
      }
    },
    async queue(numbers, signal) {
      const rows: SlurmRow[] = [];
      for (const list of jobLists(numbers)) rows.push(...(await squeue([list], signal)));
      return rows;
    },
    async queueByName(names, signal) {
      if (names === undefined) return await squeue(["--me"], signal);
      const rows: SlurmRow[] = [];
      for (const list of nameLists(names)) rows.push(...(await squeue(["--me", list], signal)));
      return rows;
    },
    async restarts(numbers, signal) {
      // Only the long names of columns know it; such columns are filled up with blanks.
      const counts = new Map<number, number>();
      for (const list of jobLists(numbers)) {
        const text = await squeueText(["--Format=JobID,RestartCnt", list], signal);
        for (const [, number, count] of text.matchAll(/^(\d+) +(\d+) *$/gm)) counts.set(Number(number), Number(count));
      }
      return counts;
    },
    async accounts(numbers, signal) {
      const rows: SlurmRow[] = [];
      for (const list of jobLists(numbers)) {
        const some = await sacct(["--duplicates", list], signal);
        if (some === undefined) return undefined;
        rows.push(...some);
      }
      return rows;
    },
    async accountsByName(names, signal) {
      const rows: SlurmRow[] = [];
      for (const list of nameLists(names)) {
        const some = await sacct([list, `--starttime=${NAME_WINDOW}`], signal);
        if (some === undefined) return undefined;
        rows.push(...some);
      }
      return rows;
    },
    async cancel(number, name, signal) {
      const filter = name === undefined ? [] : [`--name=${name}`];
      const result = await cancelInTurn(() => ask("scancel", [...filter, String(number)], signal));
      if (result.returnCode === 0 || /Invalid job id|already completing or completed/i.test(result.stderr.text)) return;
      throw new SchedulerUnavailableError(`scancel failed: ${lastWords(result.stderr.text)}`);
    },
    async partitions(signal) {
      const result = definite("sinfo", await ask("sinfo", ["--noheader", "--format=%R"], signal));
      return [...new Set(result.stdout.text.split("\n").filter((name) => name !== ""))];
    },
    async test(script, args, signal) {
      const result = await run("sbatch", ["--test-only", ...args], signal, { stdin: script });
      if (result.returnCode !== 0) throw new SchedulerRefusedError(lastWords(result.stderr.text));
    },
    async shell(script, args, signal) {
      return definite("sh", await ask("/bin/sh", ["-c", script, "sh", ...args], signal)).stdout.text;
    },
  };
}

/** Arguments that name some jobs each. */
function jobLists(numbers: readonly number[]): readonly string[] {
  return inParts(numbers, MAX_NUMBERS).map((some) => `--jobs=${some.join(",")}`);
}

function nameLists(names: readonly string[]): readonly string[] {
  return inParts(names, MAX_NAMES).map((some) => `--name=${some.join(",")}`);
}

function inParts<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, part) => all.slice(part * size, (part + 1) * size));
}

/** Rows of anything but plain jobs, e.g. members of an array, are left out. */
function parseRows(text: string): readonly SlurmRow[] {
  return text.split("\n").flatMap((line) => {
    const [number = "", state = "", name = "", detail = ""] = line.split(SEPARATOR);
    if (!/^\d+$/.test(number)) return [];
    return [{ number: Number(number), state: slurmStateName(state), name, detail }];
  });
}
