import {
  CommandStartError,
  messageOf,
  OutcomeUnknownError,
  SchedulerUnavailableError,
} from "../../../src/core/errors.ts";
import type { CommandResult, CommandRunner } from "../../../src/ports/command_runner.ts";
import { ATTEMPT_VARIABLE } from "../process_table.ts";
import { lastWords } from "./slurm_refusal.ts";

/** Where and how Slurm's programs run. */
export interface SlurmProgramsOptions {
  readonly runner: CommandRunner;
  /** The whole environment of the programs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Directory on the machine that runs the programs in which they may work. */
  readonly workingDirectory: string;
  /** With munge or the controller frozen, programs would hang for minutes. Default: 60 s. */
  readonly commandTimeoutMs?: number;
}

type Run = (
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  more?: { readonly stdin?: string },
) => Promise<CommandResult>;

/** Runs Slurm's programs, with what is the same for all of them. */
export interface SlurmPrograms {
  /** How long each may take. */
  readonly timeoutMs: number;
  /** Runs one once. @throws what {@link CommandRunner} throws */
  readonly start: Run;
  /**
   * Runs one that may run again.
   *
   * @throws {SchedulerUnavailableError} when it did not run to its end
   * @throws {CommandStartError} when it cannot be run at all
   */
  readonly run: Run;
  /**
   * Runs one that has no part in a job, so that nothing it does wrong is the job's fault.
   *
   * @throws {SchedulerUnavailableError} when it did not run to its end
   */
  readonly ask: Run;
}

const DEFAULT_TIMEOUT_MS = 60_000;

const MAX_OUTPUT_BYTES = 64_000_000;

export function slurmPrograms(options: SlurmProgramsOptions): SlurmPrograms {
  const { runner, environment, workingDirectory, commandTimeoutMs: timeoutMs = DEFAULT_TIMEOUT_MS } = options;

  const start: Run = (program, args, signal, more) =>
    runner.run(
      // What marks the processes of our own commands must not get into the environment of the job.
      {
        program: "env",
        args: ["-u", ATTEMPT_VARIABLE, program, ...args],
        cwd: workingDirectory,
        ...more,
        environment,
        timeoutMs,
        maxOutputBytes: MAX_OUTPUT_BYTES,
        leavesNothing: true,
      },
      signal,
    );

  const run: Run = async (program, args, signal, more) => {
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
      throw new SchedulerUnavailableError(`${program} did not answer within ${timeoutMs / 1000} s`);
    }
    if (result.stdout.isTruncated) throw new SchedulerUnavailableError(`${program} printed too much`);
    return result;
  };

  const ask: Run = async (program, args, signal, more) => {
    try {
      return await run(program, args, signal, more);
    } catch (error) {
      if (error instanceof SchedulerUnavailableError) throw error;
      throw new SchedulerUnavailableError(`${program} could not be run: ${messageOf(error)}`, error);
    }
  };

  return { timeoutMs, start, run, ask };
}

/** @throws {SchedulerUnavailableError} with what the program said when it failed */
export function definite(program: string, result: CommandResult): CommandResult {
  if (result.returnCode === 0) return result;
  const text = lastWords(result.stderr.text);
  throw new SchedulerUnavailableError(`${program} failed with status ${result.returnCode}: ${text}`);
}
