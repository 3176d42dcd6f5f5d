import type { SlurmSchedulerConfig } from "../../../src/config/config.ts";
import { assertNever } from "../../../src/core/assert_never.ts";
import { messageOf, OutcomeUnknownError, SchedulerRefusedError } from "../../../src/core/errors.ts";
import type { AttemptTag, SchedulerJobId } from "../../../src/core/ids.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { CommandRunner } from "../../../src/ports/command_runner.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { JobDescription, Scheduler } from "../../../src/ports/scheduler.ts";
import { isTag } from "../attempt_id.ts";
import { checkDescription } from "../check_job.ts";
import { idOfNumberedJob, parseNumberedJob } from "../numbered_job.ts";
import { pause } from "../pause.ts";
import type { TakeTurns } from "../turn_taking.ts";
import { untilClosed } from "../until_closed.ts";
import { probeSlurm } from "./probe_slurm.ts";
import { sbatchOptions } from "./sbatch_options.ts";
import { slurmCommands } from "./slurm_commands.ts";
import { type SlurmFinding, slurmObserver } from "./slurm_observer.ts";
import { slurmRecords } from "./slurm_records.ts";
import { slurmScript } from "./slurm_script.ts";
import { slurmTags } from "./slurm_tags.ts";
import { submissionQueue } from "./submission_queue.ts";

export interface SlurmSchedulerOptions extends Omit<SlurmSchedulerConfig, "type" | "ssh"> {
  /** Runs Slurm's commands, on this machine or over SSH. */
  readonly runner: CommandRunner;
  /** The whole environment of Slurm's commands where they run on this machine. */
  readonly environment: Readonly<Record<string, string>>;
  /** Directory of the records, in the terms of the cluster; absolute, seen by all its nodes, made when missing. */
  readonly controlDir: string;
  /** Shared by all schedulers of one cluster, which is asked for jobs by one of them at a time. */
  readonly askInTurn?: TakeTurns | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long one of Slurm's commands may take. Default: 60 s. */
  readonly commandTimeoutMs?: number;
  /** How long a job must be unknown to Slurm, which answers, before it counts as lost. Default: 10 min. */
  readonly lostAfterMs?: number;
  /** How long the exit status of an ended job may be on its way over the shared disk. Default: 60 s. */
  readonly witnessPatienceMs?: number;
  /** Time between two looks at a job that is being cancelled. Default: 1 s. */
  readonly cancelLookMs?: number;
}

const DEFAULT_LOST_AFTER_MS = 600_000;
const DEFAULT_WITNESS_PATIENCE_MS = 60_000;
const DEFAULT_CANCEL_LOOK_MS = 1_000;

/** Records are removed together, so that an ended job does not cost a command of its own. */
const FORGET_DELAY_MS = 1_000;

/** A job that is never submitted. */
const PROBE_JOB: JobDescription = {
  directory: "/",
  command: "true",
  application: "probe",
  submitter: "bartender",
  resources: {},
};

/**
 * Jobs of a Slurm cluster, by its commands.
 *
 * A submission without a definite answer may have got through. So the name of a job is the tag of its attempt, which
 * is looked up before any second try; and what is missed even so, e.g. a submission that a frozen controller takes up
 * later, does no harm, as the script runs the command of a tag only once.
 */
export function slurmScheduler(options: SlurmSchedulerOptions): Scheduler {
  const { clock, logger, controlDir } = options;
  const commands = slurmCommands({ ...options, workingDirectory: "/" });
  const records = slurmRecords(commands, controlDir);
  const open = untilClosed();
  const mayRequeue = options.extraOptions.some((option) => /^\s*--requeue\b/.test(option));
  const observer = slurmObserver({
    commands,
    records,
    clock,
    lostAfterMs: options.lostAfterMs ?? DEFAULT_LOST_AFTER_MS,
    witnessPatienceMs: options.witnessPatienceMs ?? DEFAULT_WITNESS_PATIENCE_MS,
    mayRequeue,
    closed: open.closed,
  });
  const handOver = submissionQueue({ submit: commands.submit, clock, closed: open.closed });
  const tags = slurmTags({ commands, records, closed: open.closed });
  const underWay = new Map<string, Promise<SchedulerJobId>>();
  const toForget = new Set<string>();

  const submitOnce = async (job: JobDescription, tag: AttemptTag, signal: AbortSignal): Promise<SchedulerJobId> => {
    check(job, tag);
    const number = (await tags.numberOf(tag)) ?? (await hand(job, tag, signal));
    tags.taken(tag, number);
    return idOfNumberedJob(number, tag);
  };

  const hand = async (job: JobDescription, tag: AttemptTag, signal: AbortSignal): Promise<number> => {
    const { command, directory } = job;
    const script = slurmScript({
      command,
      directory,
      recordPath: records.pathOf(tag),
      extraOptions: options.extraOptions,
      mayRequeue,
    });
    tags.handedOver(tag);
    const answer = await handOver({ script, args: sbatchOptions(job, tag, options), directory }, signal);
    switch (answer.type) {
      case "taken":
        return answer.number;
      case "unanswered": {
        // Where only the answer was lost, Slurm has the job by now.
        const isLost = answer.error.cause instanceof OutcomeUnknownError;
        const number = isLost ? await tags.lookUp(tag) : undefined;
        if (number === undefined) throw answer.error;
        return number;
      }
      case "refused":
      case "untold":
        tags.notTaken(tag);
        throw answer.error;
      default:
        return assertNever(answer);
    }
  };

  const forgetSoon = (tag: string): void => {
    if (toForget.size === 0) clock.after(FORGET_DELAY_MS, () => void forgetNow());
    toForget.add(tag);
  };
  const forgetNow = async (): Promise<void> => {
    const ended = [...toForget];
    toForget.clear();
    try {
      await records.remove(ended, open.closed);
    } catch (error) {
      logger.warn("Records of ended jobs could not be removed", { directory: controlDir, reason: messageOf(error) });
    }
  };

  return {
    capacity: options.maxJobs,
    submit: (job, tag, signal) =>
      open.run(signal, (either) => {
        // Called again while it is under way: the same submission serves both.
        const running = underWay.get(tag);
        if (running !== undefined) return running;
        const submission = submitOnce(job, tag, either).finally(() => underWay.delete(tag));
        underWay.set(tag, submission);
        return submission;
      }),
    find: (tag, signal) =>
      open.run(signal, async () => {
        const number = isTag(tag) ? await tags.lookUp(tag) : undefined;
        return number === undefined ? undefined : idOfNumberedJob(number, tag);
      }),
    statuses: (ids, signal) => open.run(signal, (either) => observer.statuses(ids, either)),
    cancel: (id, signal) =>
      open.run(signal, async (either) => {
        const job = parseNumberedJob(id);
        if (job === undefined) return;
        let cancelled: number | undefined;
        while (!isOver(await observer.look(id))) {
          // A look may show that another job of the attempt runs the command.
          const number = observer.numberOf(id) ?? job.number;
          if (number !== cancelled) await commands.cancel(number, job.tag, either);
          else await pause(clock, options.cancelLookMs ?? DEFAULT_CANCEL_LOOK_MS, either);
          cancelled = number;
        }
      }),
    async forget(id) {
      const job = parseNumberedJob(id);
      observer.forget(id);
      if (job?.tag === undefined || open.closed.aborted) return;
      tags.forget(job.tag);
      forgetSoon(job.tag);
    },
    probe: (signal) =>
      probeSlurm(
        {
          commands,
          controlDir,
          partition: options.partition,
          args: sbatchOptions(PROBE_JOB, "bartender-probe" as AttemptTag, options),
          script: slurmScript({
            ...PROBE_JOB,
            recordPath: "/dev/null",
            extraOptions: options.extraOptions,
            mayRequeue,
          }),
        },
        AbortSignal.any([signal, open.closed]),
      ),
    close: async () => open.close(),
  };
}

/** True when nothing of a job can run any more; also for one of which nothing is known. */
function isOver(finding: SlurmFinding | undefined): boolean {
  return finding === undefined || finding.type === "ended";
}

function check(job: JobDescription, tag: AttemptTag): void {
  checkDescription(job, tag);
  for (const [name, value] of [
    ["application", job.application],
    ["submitter", job.submitter],
  ] as const) {
    if (hasControlCharacter(value)) {
      throw new SchedulerRefusedError(
        `${name}: expected text without control characters, got ${JSON.stringify(value)}`,
      );
    }
  }
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < " " || character === "\x7f");
}
