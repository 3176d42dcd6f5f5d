import type { SchedulerJobId } from "../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { AttemptRecord } from "../attempt_record.ts";
import { type NumberedJob, parseNumberedJob } from "../numbered_job.ts";
import { outcomeOf } from "../outcome_of.ts";
import { inRounds } from "../rounds.ts";
import type { SlurmCommands, SlurmRow } from "./slurm_commands.ts";
import type { SlurmRecords } from "./slurm_records.ts";
import { isEndedBySlurm, isInterruption, isPutAside, meaningOf, noteOf, outcomeInState } from "./slurm_state.ts";

export interface SlurmObserverOptions {
  readonly commands: SlurmCommands;
  readonly records: SlurmRecords;
  readonly clock: Clock;
  readonly lostAfterMs: number;
  readonly witnessPatienceMs: number;
  /** True when Slurm may put jobs back into the queue, which it shows as their end for a moment. */
  readonly mayRequeue: boolean;
  /** Ends what is under way. */
  readonly closed: AbortSignal;
}

/** What is known of a job; `open` where there is no telling yet, and its command may run or run again. */
export type SlurmFinding = SchedulerStatus | { readonly type: "open" };

/** Tells what becomes of jobs, from the queue, the accounting and the records of their scripts, in this order. */
export interface SlurmObserver {
  statuses(ids: readonly SchedulerJobId[], signal: AbortSignal): Promise<ReadonlyMap<SchedulerJobId, SchedulerStatus>>;
  /**
   * What is known of one job; shares the commands with whoever looks at the same time.
   *
   * @returns undefined when nothing is known of it, and nothing of it runs
   */
  look(id: SchedulerJobId): Promise<SlurmFinding | undefined>;
  /** The number of the Slurm job that runs the command, where it is not the one in the id. */
  numberOf(id: SchedulerJobId): number | undefined;
  forget(id: SchedulerJobId): void;
}

/** A job with all that was found out about it in one round. */
interface Subject extends NumberedJob {
  readonly id: SchedulerJobId;
  row?: SlurmRow;
  /** How often it was put back into the queue, as the accounting shows. */
  restarts?: number;
  record?: AttemptRecord | undefined;
}

/** A script that was killed with everything else leaves no status; this is what the kernel would have said of it. */
const KILLED = -9;

/** How long a command that was ended by a signal may turn out to be put back into the queue. */
const REQUEUE_MS = 5_000;

export function slurmObserver(options: SlurmObserverOptions): SlurmObserver {
  const { commands, records, clock } = options;
  /** Another job of the same attempt that was first, see `slurm_script.ts`. */
  const substitutes = new Map<SchedulerJobId, number>();
  /** Since when, on the monotonic clock, nothing was known of a job, or its exit status is on its way. */
  const missingSinceMs = new Map<SchedulerJobId, number>();

  const isOverdue = (id: SchedulerJobId, patienceMs: number): boolean => {
    const nowMs = clock.monotonicMs();
    const sinceMs = missingSinceMs.get(id) ?? nowMs;
    missingSinceMs.set(id, sinceMs);
    return nowMs - sinceMs >= patienceMs;
  };

  const observe = async (
    ids: readonly SchedulerJobId[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<SchedulerJobId, SlurmFinding>> => {
    const subjects = ids.flatMap((id): Subject[] => {
      const job = parseNumberedJob(id);
      return job === undefined ? [] : [{ id, tag: job.tag, number: substitutes.get(id) ?? job.number }];
    });
    if (subjects.length === 0) return new Map();
    fill(subjects, await commands.queue(numbersOf(subjects), signal));
    const missing = subjects.filter(({ row }) => row === undefined || meaningOf(row.state) === "unknown");
    // Without accounting the records alone have to tell.
    if (missing.length > 0) fillFromAccounts(missing, (await commands.accounts(numbersOf(missing), signal)) ?? []);
    await readRecords(subjects, signal);
    if (options.mayRequeue) await leaveEarlierRuns(subjects, signal);
    await settleKilled(subjects, signal);
    for (const { row, number, tag } of subjects) {
      // Nobody may let it go when its end has been told.
      if (row !== undefined && isPutAside(row.state)) await commands.cancel(number, tag, signal);
    }
    const findings = new Map<SchedulerJobId, SlurmFinding>();
    for (const subject of subjects) {
      const finding = judge(subject);
      if (finding === undefined) continue;
      if (finding.type !== "open") missingSinceMs.delete(subject.id);
      findings.set(subject.id, finding);
    }
    return findings;
  };

  const readRecords = async (subjects: readonly Subject[], signal: AbortSignal): Promise<void> => {
    const ended = subjects.filter(({ row }) => row === undefined || meaningOf(row.state) === "ended");
    const tags = ended.flatMap(({ tag }) => (tag === undefined ? [] : [tag]));
    if (tags.length === 0) return;
    const found = await records.read(tags, signal);
    for (const subject of ended) {
      const record = subject.tag === undefined ? undefined : found.get(subject.tag);
      if (record !== undefined) subject.record = record;
    }
  };

  /** Slurm may fail to start a job again: then the record is still that of a run before, and says nothing of the last. */
  const leaveEarlierRuns = async (subjects: readonly Subject[], signal: AbortSignal): Promise<void> => {
    const recorded = subjects.filter(({ row, record }) => row !== undefined && record?.head?.number === row.number);
    const unknown = recorded.filter(({ restarts }) => restarts === undefined);
    const counts = await commands.restarts(numbersOf(unknown), signal);
    for (const subject of recorded) {
      const run = subject.record?.head?.facts.run;
      const last = subject.restarts ?? counts.get(subject.number);
      if (typeof run === "number" && last !== undefined && run < last) subject.record = undefined;
    }
  };

  /** Slurm ends a script together with its command when that takes too long; the job still gets its exit status. */
  const settleKilled = async (subjects: readonly Subject[], signal: AbortSignal): Promise<void> => {
    const killed = new Map<string, { directory: string; returnCode: number }>();
    for (const subject of subjects) {
      const { tag, row, record } = subject;
      if (tag === undefined || row === undefined || record?.head === undefined) continue;
      if (!isEndedBySlurm(row.state) || record.returnCode !== undefined || record.head.number !== row.number) continue;
      const { directory } = record.head.facts;
      if (typeof directory !== "string") continue;
      killed.set(tag, { directory, returnCode: KILLED });
      subject.record = { ...record, returnCode: KILLED };
    }
    if (killed.size > 0) await records.settle(killed, signal);
  };

  const judge = (subject: Subject): SlurmFinding | undefined => {
    const { id, tag, row, record, number } = subject;
    const meaning = row === undefined ? "unknown" : meaningOf(row.state);
    if (meaning === "running") return { type: "running" };
    if (meaning === "queued") {
      const note = row === undefined ? undefined : noteOf(row.state, row.detail);
      return note === undefined ? { type: "queued" } : { type: "queued", note };
    }
    const returnCode = record?.returnCode;
    if (row === undefined || meaning === "unknown") {
      if (returnCode !== undefined) return { type: "ended", outcome: outcomeOf(returnCode) };
      // A state of a newer Slurm: whatever it means, the job is there.
      if (row !== undefined && row.state !== "") return OPEN;
      const hasStarted = record?.head !== undefined;
      if (isOverdue(id, options.lostAfterMs)) return lost(number, hasStarted);
      return hasStarted ? OPEN : undefined;
    }
    if (record?.head !== undefined && record.head.number !== number) {
      // This job came too late and did nothing: the one that was first tells how the attempt goes on.
      substitutes.set(id, record.head.number);
      if (returnCode === undefined) return OPEN;
    }
    // What the Python Bartender submitted left no record.
    if (tag === undefined && row.state === "COMPLETED") return { type: "ended", outcome: outcomeOf(0) };
    const mayStillCome = tag !== undefined && returnCode === undefined && !isEndedBySlurm(row.state);
    // A script ends well only after it has written the status down; so this was a second start, and the first goes on.
    const isSecondStart = record?.head !== undefined && row.state === "COMPLETED";
    const patienceMs = isSecondStart ? options.lostAfterMs : options.witnessPatienceMs;
    if (mayStillCome && !isOverdue(id, patienceMs)) return isSecondStart ? OPEN : undefined;
    const mayGoBack = options.mayRequeue && returnCode !== undefined && returnCode < 0;
    if (mayGoBack && !isOverdue(id, REQUEUE_MS)) return OPEN;
    const outcome = outcomeInState(row.state, row.detail, returnCode, record?.isTerminated);
    return { type: "ended", outcome, ...(isInterruption(row.state) && !outcome.isOk ? { isInterrupted: true } : {}) };
  };

  const rounds = inRounds(observe, options.closed);
  return {
    statuses: async (ids, signal) => new Map([...(await rounds.lookAtAll(ids, signal))].filter(isStatus)),
    look: rounds.look,
    numberOf: (id) => substitutes.get(id),
    forget(id) {
      substitutes.delete(id);
      missingSinceMs.delete(id);
    },
  };
}

const OPEN: SlurmFinding = { type: "open" };

function isStatus(entry: [SchedulerJobId, SlurmFinding]): entry is [SchedulerJobId, SchedulerStatus] {
  return entry[1].type !== "open";
}

/** A number is given out again when Slurm has lost its state: only the name tells whose it is. */
function fill(subjects: readonly Subject[], rows: readonly SlurmRow[]): void {
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  for (const subject of subjects) {
    const row = byNumber.get(subject.number);
    if (row !== undefined && isOf(subject, row)) subject.row = row;
  }
}

function fillFromAccounts(subjects: readonly Subject[], rows: readonly SlurmRow[]): void {
  const byNumber = Map.groupBy(rows, ({ number }) => number);
  for (const subject of subjects) {
    const runs = (byNumber.get(subject.number) ?? []).filter((row) => isOf(subject, row));
    const row = runs.at(-1);
    if (row === undefined) continue;
    subject.row = row;
    subject.restarts = runs.length - 1;
  }
}

/** The accounting calls a job that has only just begun "allocation". */
function isOf({ tag }: Subject, { name }: SlurmRow): boolean {
  return tag === undefined || name === tag || name === "allocation";
}

function numbersOf(subjects: readonly Subject[]): readonly number[] {
  return subjects.map(({ number }) => number);
}

/** Of a job that has started nobody can say that it does not run any more, so it is not run again. */
function lost(number: number, hasStarted: boolean): SchedulerStatus {
  const fact = hasStarted ? "and it left no return code" : "and it had not started";
  const outcome = outcomeOf(undefined, `Slurm does not know the job any more (its number was ${number}), ${fact}`);
  return { type: "ended", outcome, ...(hasStarted ? {} : { isInterrupted: true }) };
}
