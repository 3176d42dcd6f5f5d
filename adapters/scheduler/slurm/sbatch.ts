import {
  CommandStartError,
  messageOf,
  SchedulerRefusedError,
  SchedulerUnavailableError,
} from "../../../src/core/errors.ts";
import { shellQuote } from "../../../src/core/shell_quote.ts";
import type { CommandResult } from "../../../src/ports/command_runner.ts";
import { isRefusal, lastWords } from "./slurm_refusal.ts";

/** What sbatch(1) is given. */
export interface Submission {
  readonly script: string;
  /** Options. */
  readonly args: readonly string[];
  /** Where it runs; absolute. */
  readonly directory: string;
}

/** What came of a submission. */
export type SubmissionAnswer =
  | { readonly type: "taken"; readonly number: number }
  | { readonly type: "refused"; readonly error: SchedulerRefusedError }
  /** It may have got through. */
  | { readonly type: "unanswered"; readonly error: SchedulerUnavailableError }
  /** Slurm has definitely not heard of it. */
  | { readonly type: "untold"; readonly error: SchedulerUnavailableError };

/** Stands before the status of each submission, and after all that it printed. */
const MARK = "\x1e";

/**
 * A script for /bin/sh that submits jobs one after the other, up to the first that is not taken: when Slurm does not
 * answer, the others need not wait for the same.
 *
 * @param startWithinS after so many seconds no further one is begun, so that where Slurm is slow none is cut off
 */
export function sbatchScript(submissions: readonly Submission[], startWithinS: number): string {
  const end = `printf '\\036%s\\n' "$r"; printf '\\036\\n' >&2`;
  // The shell reads it itself; a program for each job would cost more.
  const clock = `t=; { read -r t _ </proc/uptime; } 2>/dev/null; t=\${t%.*}`;
  const checkTime = `${clock}; if [ "\${t:-0}" -ge "$l" ]; then r=late; ${end}; exit 0; fi`;
  return [
    `command -v sbatch >/dev/null || { r=program; ${end}; exit 0; }`,
    `${clock}; l=$((\${t:-1} + ${startWithinS}))`,
    ...submissions.flatMap(({ script, args, directory }, index) => [
      ...(index === 0 ? [] : [checkTime]),
      "r=directory",
      // The directory of the job before is nothing for the environment of this one.
      `if cd -- ${shellQuote(directory)} && unset OLDPWD; then`,
      `printf %s ${shellQuote(script)} | sbatch --parsable ${args.map(shellQuote).join(" ")}`,
      "r=$?",
      "fi",
      end,
      `[ "$r" = 0 ] || exit 0`,
    ]),
    "",
  ].join("\n");
}

/**
 * Reads what {@link sbatchScript} printed.
 *
 * @returns an answer for each submission; none for those after one that was refused, or for which there was no time
 */
export function sbatchAnswers(count: number, result: CommandResult): readonly SubmissionAnswer[] {
  const outputs = [...result.stdout.text.matchAll(OUTPUT)];
  const messages = result.stderr.text.split(`${MARK}\n`);
  const begun = outputs.filter(([, , status]) => status !== "late");
  const answers = begun.map(([, text = "", status = ""], index) => answerOf(text, status, messages[index] ?? ""));
  const last = answers.at(-1);
  if (last?.type === "refused" || begun.length < outputs.length) return answers;
  const isWhole = result.returnCode === 0 && !result.isTimedOut && last?.type === "unanswered";
  const rest: SubmissionAnswer = isWhole
    ? { type: "untold", error: last.error }
    : { type: "unanswered", error: new SchedulerUnavailableError(cutOff(result, messages)) };
  return [...answers, ...Array<SubmissionAnswer>(count - answers.length).fill(rest)];
}

/** Output and status of one submission. */
const OUTPUT = new RegExp(`([^${MARK}]*)${MARK}(\\w+)\\n`, "g");

function cutOff({ isTimedOut, returnCode }: CommandResult, messages: readonly string[]): string {
  if (isTimedOut) return "sbatch did not answer in time";
  return `sbatch did not say whether it submitted the job: ${lastWords(messages.at(-1) ?? "")} (status ${returnCode})`;
}

/** Status 0 without a number, as any other without a refusal, says nothing. */
function answerOf(text: string, status: string, messages: string): SubmissionAnswer {
  const number = /^(\d+)(?:;.*)?$/m.exec(text)?.[1];
  if (status === "0" && number !== undefined) return { type: "taken", number: Number(number) };
  const words = lastWords(messages);
  if (status === "program") return refused("The job could not be submitted: there is no program sbatch");
  if (status === "directory")
    return refused(`The job could not be submitted: its directory cannot be entered: ${words}`);
  if (Number(status) > 0 && isRefusal(Number(status), messages)) return refused(`Slurm refused the job: ${words}`);
  const error = new SchedulerUnavailableError(`sbatch did not say whether it submitted the job: ${words}`);
  return { type: "unanswered", error };
}

function refused(text: string): SubmissionAnswer {
  return { type: "refused", error: new SchedulerRefusedError(text) };
}

/** What a command that was not run to its end means for each job that was to be submitted. */
export function unsubmitted(error: unknown): SubmissionAnswer {
  const text = `The job could not be submitted: ${messageOf(error)}`;
  if (!(error instanceof CommandStartError)) {
    return { type: "unanswered", error: new SchedulerUnavailableError(text, error) };
  }
  return error.retryable
    ? { type: "untold", error: new SchedulerUnavailableError(text, error) }
    : { type: "refused", error: new SchedulerRefusedError(text, error) };
}
