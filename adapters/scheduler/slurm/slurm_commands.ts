import {
  CommandStartError,
  messageOf,
  OutcomeUnknownError,
  SchedulerRefusedError,
  SchedulerUnavailableError,
} from "../../../src/core/errors.ts";
import type { CommandResult, CommandRunner } from "../../../src/ports/command_runner.ts";
import { ATTEMPT_VARIABLE } from "../process_table.ts";
import type { TakeTurns } from "../turn_taking.ts";
import { type Submission, type SubmissionAnswer, sbatchAnswers, sbatchScript } from "./sbatch.ts";
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

/** Where and how Slurm's commands run. */
export interface SlurmCommandOptions {
  readonly runner: CommandRunner;
  /** The whole environment of the commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** Directory on the machine that runs the commands in which they may work. */
  readonly workingDirectory: string;
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
   * @returns an answer for each; none for those after one that was refused, which were not submitted
   */
  submit(submissions: readonly Submission[], signal: AbortSignal): Promise<readonly SubmissionAnswer[]>;
  /** Those of `numbers` that the controller still knows, ended ones included. */
  queue(numbers: readonly number[], signal: AbortSignal): Promise<readonly SlurmRow[]>;
  /** The jobs of this account that the controller knows, or those named `name`. */
  queueByName(name: string | undefined, signal: AbortSignal): Promise<readonly SlurmRow[]>;
  /** How often the controller has put those of `numbers` that it knows back into the queue, by number. */
  restarts(numbers: readonly number[], signal: AbortSignal): Promise<ReadonlyMap<number, number>>;
  /**
   * Those of `numbers` that the accounting knows, with a row for each time that a job was in the queue, the last one
   * last; undefined when there is no accounting.
   */
  accounts(numbers: readonly number[], signal: AbortSignal): Promise<readonly SlurmRow[] | undefined>;
  accountsByName(name: string, signal: AbortSignal): Promise<readonly SlurmRow[] | undefined>;
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

/** With munge or the controller frozen, commands would hang for minutes. */
const TIMEOUT_MS = 60_000;

const MAX_OUTPUT_BYTES = 64_000_000;

/** Arguments of one command may have some 128 KiB. */
const MAX_NUMBERS = 8_000;

/** How far back a job is looked for by name in the accounting. */
const NAME_WINDOW = "now-30days";

export function slurmCommands(options: SlurmCommandOptions): SlurmCommands {
  const { runner, environment, workingDirectory, askInTurn = (work) => work() } = options;
  const start = (
    program: string,
    args: readonly string[],
    signal: AbortSignal,
    more: { readonly stdin?: string } = {},
  ): Promise<CommandResult> =>
    runner.run(
      // What marks the processes of our own commands must not get into the environment of the job.
      {
        program: "env",
        args: ["-u", ATTEMPT_VARIABLE, program, ...args],
        cwd: workingDirectory,
        ...more,
        environment,
        timeoutMs: TIMEOUT_MS,
        maxOutputBytes: MAX_OUTPUT_BYTES,
        leavesNothing: true,
      },
      signal,
    );

  const run = async (
    program: string,
    args: readonly string[],
    signal: AbortSignal,
    more: { readonly stdin?: string } = {},
  ): Promise<CommandResult> => {
    let result: CommandResult;
    try {
      // What came of it is never known of a few among thousands of commands; all that run here may run again.
      result = await start(program, args, signal, more).catch((error: unknown) => {
        if (!(error instanceof OutcomeUnknownError)) throw error;
        return start(program, args, signal, more);
      });
    } catch (error) {
      if (error instanceof CommandStartError && !error.retryable) throw error;
      throw new SchedulerUnavailableError(`${program} could not be run: ${messageOf(error)}`, error);
    }
    if (result.isTimedOut) {
      throw new SchedulerUnavailableError(`${program} did not answer within ${TIMEOUT_MS / 1000} s`);
    }
    if (result.stdout.isTruncated) throw new SchedulerUnavailableError(`${program} printed too much`);
    return result;
  };

  /** The answer of a command that has no part in the job, so that nothing it does wrong is the job's fault. */
  const ask = async (program: string, args: readonly string[], signal: AbortSignal): Promise<CommandResult> => {
    try {
      return await run(program, args, signal);
    } catch (error) {
      if (error instanceof SchedulerUnavailableError) throw error;
      throw new SchedulerUnavailableError(`${program} could not be run: ${messageOf(error)}`, error);
    }
  };

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
        const result = await start("/bin/sh", ["-s"], signal, { stdin: sbatchScript(submissions) });
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
    queueByName: (name, signal) => squeue(["--me", ...(name === undefined ? [] : [`--name=${name}`])], signal),
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
    accountsByName: (name, signal) => sacct([`--name=${name}`, `--starttime=${NAME_WINDOW}`], signal),
    async cancel(number, name, signal) {
      const filter = name === undefined ? [] : [`--name=${name}`];
      const result = await ask("scancel", [...filter, String(number)], signal);
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

/** What a command that was not run to its end means for each job that was to be submitted. */
function unsubmitted(error: unknown): SubmissionAnswer {
  const text = `The job could not be submitted: ${messageOf(error)}`;
  if (!(error instanceof CommandStartError)) {
    return { type: "unanswered", error: new SchedulerUnavailableError(text, error) };
  }
  return error.retryable
    ? { type: "untold", error: new SchedulerUnavailableError(text, error) }
    : { type: "refused", error: new SchedulerRefusedError(text, error) };
}

/** Arguments that name some jobs each. */
function jobLists(numbers: readonly number[]): readonly string[] {
  return Array.from({ length: Math.ceil(numbers.length / MAX_NUMBERS) }, (_, batch) => {
    const some = numbers.slice(batch * MAX_NUMBERS, (batch + 1) * MAX_NUMBERS);
    return `--jobs=${some.join(",")}`;
  });
}

function definite(program: string, result: CommandResult): CommandResult {
  if (result.returnCode === 0) return result;
  const text = lastWords(result.stderr.text);
  throw new SchedulerUnavailableError(`${program} failed with status ${result.returnCode}: ${text}`);
}

/** Rows of anything but plain jobs, e.g. members of an array, are left out. */
function parseRows(text: string): readonly SlurmRow[] {
  return text.split("\n").flatMap((line) => {
    const [number = "", state = "", name = "", detail = ""] = line.split(SEPARATOR);
    if (!/^\d+$/.test(number)) return [];
    return [{ number: Number(number), state: slurmStateName(state), name, detail }];
  });
}
