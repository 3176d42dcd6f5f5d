import { SchedulerRefusedError, SchedulerUnavailableError } from "../../../src/core/errors.ts";
import { type DiracAnswer, lastWordsOf } from "../../dirac/dirac_answer.ts";
import type { DiracClient } from "../../dirac/dirac_clients.ts";
import type { DiracCall } from "../../dirac/dirac_tools.ts";
import type { DiracJobState } from "./dirac_state.ts";

/** What is known of a job beside its state. */
export interface DiracJobFacts {
  readonly number: number;
  readonly name: string;
  /** True when a node has begun with it. */
  readonly hasBegun: boolean;
  /** When its node last gave a sign of life, as DIRAC writes it down; undefined when it never did. */
  readonly heartBeat: string | undefined;
}

/**
 * DIRAC's commands for jobs. Each throws {@link SchedulerUnavailableError} when there was no definite answer.
 *
 * Outputs are those of DIRAC 8; noise may come before an answer, so that only whole lines of a known form count.
 */
export interface DiracCommands {
  /**
   * @param files the job description and what it refers to, by plain names
   * @param description name of the description
   * @returns the number of the job
   * @throws {SchedulerRefusedError} when DIRAC definitely does not want the job
   */
  submit(files: ReadonlyMap<string, string>, description: string, signal: AbortSignal): Promise<number>;
  /** Numbers of all jobs of a group that were changed on or after a day (`YYYY-MM-DD`), in ascending order. */
  select(group: string, day: string, signal: AbortSignal): Promise<readonly number[]>;
  /** Those of `numbers` that DIRAC knows, with one command. */
  states(numbers: readonly number[], signal: AbortSignal): Promise<readonly DiracJobState[]>;
  /** The same; for few jobs at a time, as DIRAC looks them up one by one. */
  facts(numbers: readonly number[], signal: AbortSignal): Promise<readonly DiracJobFacts[]>;
  /** Those of `numbers` that a node was ever given, by their histories; all of them when these could not be had. */
  matched(numbers: readonly number[], signal: AbortSignal): Promise<readonly number[]>;
  /** Asks DIRAC to end jobs that a node has, or may have; a job that has ended is left alone. */
  kill(number: number, signal: AbortSignal): Promise<void>;
  /** Takes a job out of DIRAC that no node has; one that was just given to a node is killed. */
  remove(number: number, signal: AbortSignal): Promise<void>;
}

/** Uploading the script and submitting the job take several services. */
const SUBMIT_TIMEOUT_MS = 180_000;

export function diracCommands({ tools, scratch }: Pick<DiracClient, "tools" | "scratch">): DiracCommands {
  const ask = (call: DiracCall, signal: AbortSignal): Promise<DiracAnswer> =>
    asScheduler(() => tools.ask(call, signal));
  const quietly = async (program: string, args: readonly string[], signal: AbortSignal): Promise<DiracAnswer> =>
    definite(await ask({ program, args, isQuiet: true }, signal));

  return {
    submit: (files, description, signal) =>
      asScheduler(() =>
        scratch.within(signal, async (directory) => {
          for (const [name, text] of files) await directory.write(name, text, signal);
          const program = "dirac-wms-job-submit";
          // In the directory, as paths in a description must not have blanks.
          const call = { program, args: [description], isQuiet: true, cwd: directory.path };
          return numberOf(await ask({ ...call, timeoutMs: SUBMIT_TIMEOUT_MS }, signal));
        }),
      ),
    async select(group, day, signal) {
      const args = [`--JobGroup=${group}`, `--Date=${day}`, "--Maximum=0"];
      // Its answer is log.
      const answer = definite(await ask({ program: "dirac-wms-select-jobs", args, isQuiet: false }, signal));
      return parseSelection(answer);
    },
    async states(numbers, signal) {
      if (numbers.length === 0) return [];
      return parseStates((await quietly("dirac-wms-job-status", numbers.map(String), signal)).stdout);
    },
    async facts(numbers, signal) {
      if (numbers.length === 0) return [];
      // It fails when it does not know one of the jobs, and tells of the others all the same.
      const call = { program: "dirac-wms-job-attributes", args: numbers.map(String), isQuiet: true };
      return parseFacts(await ask(call, signal));
    },
    async matched(numbers, signal) {
      const call = { program: "dirac-wms-job-logging-info", args: numbers.map(String), isQuiet: true };
      return parseMatched((await ask(call, signal)).stdout, numbers);
    },
    async kill(number, signal) {
      await quietly("dirac-wms-job-kill", [String(number)], signal);
    },
    async remove(number, signal) {
      await quietly("dirac-wms-job-delete", [String(number)], signal);
    },
  };
}

/** Every fault of a command is one of the scheduler, but for what it definitely refuses. */
export async function asScheduler<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SchedulerUnavailableError || error instanceof SchedulerRefusedError) throw error;
    throw new SchedulerUnavailableError(error instanceof Error ? error.message : String(error), error);
  }
}

function definite(answer: DiracAnswer): DiracAnswer {
  if (answer.returnCode === 0) return answer;
  throw new SchedulerUnavailableError(
    `${answer.program} failed with status ${answer.returnCode}: ${lastWordsOf(answer)}`,
  );
}

/**
 * Errors by which DIRAC says that it does not want a job: of its description (`EWMSJDL`) and of what is in it. What
 * forbids any job of this proxy (`EWMSSUBM`) is mended by administrators while jobs wait.
 */
const REFUSAL = /^ERROR [^\n]*(\( 1501 : |is not a valid value for|must be a number)/m;

/** @throws {SchedulerRefusedError} or {SchedulerUnavailableError} when the job may have got through */
export function numberOf(answer: DiracAnswer): number {
  const number = /^JobID = ([1-9]\d*)\s*$/m.exec(answer.stdout)?.[1];
  if (answer.returnCode === 0 && number !== undefined) return Number(number);
  if (answer.returnCode > 0 && REFUSAL.test(answer.stdout)) {
    throw new SchedulerRefusedError(`DIRAC refused the job: ${lastWordsOf(answer)}`);
  }
  throw new SchedulerUnavailableError(
    `${answer.program} did not say whether it submitted the job: ${lastWordsOf(answer)}`,
  );
}

/** A failed look-up ends well, too; only its log tells the two from each other. */
export function parseSelection(answer: DiracAnswer): readonly number[] {
  const numbers = /^==> Selected \d+ jobs [^\n]*\n([\d, ]+)$/m.exec(answer.stdout)?.[1];
  if (numbers !== undefined) {
    return numbers
      .split(",")
      .map(Number)
      .toSorted((a, b) => a - b);
  }
  if (/^No jobs were selected with conditions/m.test(answer.stdout)) return [];
  throw new SchedulerUnavailableError(`${answer.program} did not say which jobs there are: ${lastWordsOf(answer)}`);
}

/**
 * Lines such as `JobID=3 ApplicationStatus=Unknown; MinorStatus=Execution Complete; Status=Done; Site=X; `. The
 * application status is free text that a job may set, so the last of each name counts, and the fields may have any order.
 */
export function parseStates(text: string): readonly DiracJobState[] {
  return text.split("\n").flatMap((line) => {
    const number = /^JobID=([1-9]\d*) /.exec(line)?.[1];
    const field = (name: string): string | undefined =>
      [...line.matchAll(new RegExp(`(?:^JobID=\\d+ |; )${name}=([^;]*)(?=;)`, "g"))].at(-1)?.[1];
    const status = field("Status");
    if (number === undefined || status === undefined) return [];
    const minorStatus = field("MinorStatus") ?? "Unknown";
    return [
      { number: Number(number), status, minorStatus, applicationStatus: field("ApplicationStatus") ?? "Unknown" },
    ];
  });
}

/** Dictionaries of Python, each after a line with the number; `None` is written as text. */
export function parseFacts(answer: DiracAnswer): readonly DiracJobFacts[] {
  const facts = answer.stdout
    .split(/^=+\n/m)
    .slice(1)
    .flatMap((part) => {
      const number = /^ ?([1-9]\d*)$/m.exec(part)?.[1];
      const value = (name: string): string | undefined => new RegExp(`^[{ ]'${name}': '([^']*)'`, "m").exec(part)?.[1];
      const timeOf = (field: string): string | undefined =>
        new RegExp(`^[{ ]'${field}': (?!'?None\\b)(.*?),?$`, "m").exec(part)?.[1];
      const name = value("JobName");
      if (number === undefined || name === undefined) return [];
      const hasBegun = timeOf("StartExecTime") !== undefined;
      return [{ number: Number(number), name, hasBegun, heartBeat: timeOf("HeartBeatTime") }];
    });
  const isDefinite = answer.returnCode === 0 || facts.length > 0 || /^ERROR /m.test(answer.stdout);
  if (isDefinite) return facts;
  throw new SchedulerUnavailableError(
    `${answer.program} failed with status ${answer.returnCode}: ${lastWordsOf(answer)}`,
  );
}

/** One table for each job, in their order and without their numbers; the first column is who has written a line. */
export function parseMatched(text: string, numbers: readonly number[]): readonly number[] {
  const tables = text.split(/^Source +Status +MinorStatus\b.*$/m).slice(1);
  if (tables.length !== numbers.length) return numbers;
  return numbers.filter((_, index) => /^\S+ +Matched\b/m.test(tables[index] ?? ""));
}
