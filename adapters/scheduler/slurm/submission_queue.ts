import { SchedulerUnavailableError } from "../../../src/core/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Submission, SubmissionAnswer } from "./sbatch.ts";

export interface SubmissionQueueOptions {
  /**
   * Submits some, one at least. Does not throw.
   *
   * @returns answers in their order, at least one; those without an answer are to be submitted anew
   */
  readonly submit: (submissions: readonly Submission[], signal: AbortSignal) => Promise<readonly SubmissionAnswer[]>;
  readonly clock: Clock;
  /** Ends what is under way. */
  readonly closed: AbortSignal;
}

/** Hands a job over. Does not throw; a signal after the start leaves the outcome open. */
export type Submit = (submission: Submission, signal: AbortSignal) => Promise<SubmissionAnswer>;

interface Waiting {
  readonly submission: Submission;
  /** True when nobody waits for the answer any more. */
  hasLeft: boolean;
  readonly settle: (answer: SubmissionAnswer) => void;
}

/** Commands at a time: more only burden the controller. */
const PLACES = 4;
/** A further command beside others pays only for that many jobs. */
const WORTH_A_PLACE = 4;
/** Jobs in one command. */
const MOST = 8;
/** A command is to take about as long at most, so that a slow controller gets few jobs at a time. */
const COMMAND_MS = 2_000;

/**
 * Submissions together, several in one command and several commands at a time: starting a process takes longer than
 * Slurm does, and all other work of the daemon waits meanwhile.
 */
export function submissionQueue({ submit, clock, closed }: SubmissionQueueOptions): Submit {
  const waiting: Waiting[] = [];
  let running = 0;
  let most = MOST;

  const startNext = (): void => {
    while (running < PLACES && waiting.length >= (running === 0 ? 1 : Math.min(WORTH_A_PLACE, most))) {
      running += 1;
      void runSome(waiting.splice(0, most)).finally(() => {
        running -= 1;
        startNext();
      });
    }
  };

  const runSome = async (some: readonly Waiting[]): Promise<void> => {
    const sinceMs = clock.monotonicMs();
    const answers = await submit(
      some.map(({ submission }) => submission),
      closed,
    );
    const eachMs = (clock.monotonicMs() - sinceMs) / Math.max(1, answers.length);
    most = Math.max(1, Math.min(MOST, Math.floor(COMMAND_MS / Math.max(1, eachMs))));
    for (const [index, answer] of answers.entries()) some[index]?.settle(answer);
    waiting.unshift(...some.slice(answers.length).filter(({ hasLeft }) => !hasLeft));
  };

  return (submission, signal) =>
    new Promise((resolve) => {
      const one: Waiting = {
        submission,
        hasLeft: false,
        settle(answer) {
          signal.removeEventListener("abort", onAbort);
          resolve(answer);
        },
      };
      const onAbort = (): void => {
        const at = waiting.indexOf(one);
        if (at >= 0) waiting.splice(at, 1);
        one.hasLeft = true;
        const error = new SchedulerUnavailableError("The call was called off", signal.reason);
        one.settle({ type: at >= 0 ? "untold" : "unanswered", error });
      };
      signal.addEventListener("abort", onAbort, { once: true });
      waiting.push(one);
      startNext();
    });
}
