import type { SchedulerJobId } from "../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../src/core/job.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Scheduler } from "../../../src/ports/scheduler.ts";
import { type NumberedJob, parseNumberedJob } from "../numbered_job.ts";
import { outcomeOf } from "../outcome_of.ts";
import { inRounds } from "../rounds.ts";
import type { DiracCommands, DiracJobFacts } from "./dirac_commands.ts";
import { endOf } from "./dirac_outcome.ts";
import type { DiracRecord, DiracSandbox, DiracSandboxes } from "./dirac_sandboxes.ts";
import { type DiracJobState, described, isEndedByRequest, mayStillRun, meaningOf, noteOf } from "./dirac_state.ts";

export interface DiracObserverOptions {
  readonly commands: Pick<DiracCommands, "states" | "facts" | "matched">;
  readonly sandboxes: DiracSandboxes;
  readonly clock: Clock;
  /** How long a job must be unknown to DIRAC, which answers, before it counts as lost. */
  readonly lostAfterMs: number;
  /** How long the record of an ended job may be on its way. */
  readonly recordPatienceMs: number;
  /** How long the node of a job that DIRAC was told to end may be silent before it is given up. */
  readonly killPatienceMs: number;
  /** Ends what is under way. */
  readonly closed: AbortSignal;
}

/** Tells what becomes of jobs, from DIRAC's states and the records of their scripts. */
export interface DiracObserver extends Pick<Scheduler, "statuses"> {
  /** The status of one job; shares the commands with whoever looks at the same time. */
  look(id: SchedulerJobId): Promise<SchedulerStatus | undefined>;
  /** True when DIRAC did not know the job the last time it was asked. */
  isMissing(id: SchedulerJobId): boolean;
  /**
   * True when a job that was ended by request has given a sign of life since it was looked at before. Its node is told of the
   * request with a sign of life, once: as it goes on, that got lost.
   */
  livesOn(id: SchedulerJobId): boolean;
  /** The number of the job that runs the command, where it is not the one in the id. */
  numberOf(id: SchedulerJobId): number | undefined;
  forget(id: SchedulerJobId): void;
}

/** A job with all that was found out about it in one round. */
interface Subject extends NumberedJob {
  readonly id: SchedulerJobId;
}

/** A subject that DIRAC shows as ended. */
type Candidate = Subject & { readonly state: DiracJobState };

/** Records are fetched one by one, behind one command; the others come with the next round. */
const RECORDS_AT_ONCE = 50;

/** What is expected of the node of a job that was ended by request, counted from its last sign of life. */
const OBEDIENCE = "to obey after";

export function diracObserver(options: DiracObserverOptions): DiracObserver {
  const { commands, sandboxes, clock, lostAfterMs, recordPatienceMs, killPatienceMs } = options;
  /** Told once and for all, so that an ended job costs no further command. */
  const ended = new Map<SchedulerJobId, SchedulerStatus>();
  /** Another job of the same attempt that was first, see `dirac_script.ts`. */
  const substitutes = new Map<SchedulerJobId, number>();
  const absent = new Set<SchedulerJobId>();
  /** Numbers of jobs that were seen with a node. */
  const begun = new Set<number>();
  /** What is expected of a job, and since when on the monotonic clock. */
  const expected = new Map<SchedulerJobId, { readonly what: string; readonly sinceMs: number }>();
  const disobedient = new Set<SchedulerJobId>();
  /** How often jobs were looked at that DIRAC shows as ended, so that those who wait for long do not keep others from it. */
  const looks = new Map<SchedulerJobId, number>();

  /** Whether `what` has been expected for so long, and nothing else in between. */
  const isOverdue = (id: SchedulerJobId, what: string, patienceMs: number): boolean => {
    const nowMs = clock.monotonicMs();
    const before = expected.get(id);
    const sinceMs = before?.what === what ? before.sinceMs : nowMs;
    expected.set(id, { what, sinceMs });
    return nowMs - sinceMs >= patienceMs;
  };

  const observe = async (
    ids: readonly SchedulerJobId[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<SchedulerJobId, SchedulerStatus>> => {
    const statuses = new Map<SchedulerJobId, SchedulerStatus>();
    const subjects = ids.flatMap((id): Subject[] => {
      const job = parseNumberedJob(id);
      const end = ended.get(id);
      if (end !== undefined) statuses.set(id, end);
      return job === undefined || end !== undefined
        ? []
        : [{ id, tag: job.tag, number: substitutes.get(id) ?? job.number }];
    });
    const rows = await commands.states(
      subjects.map(({ number }) => number),
      signal,
    );
    const states = new Map(rows.map((state) => [state.number, state]));
    const candidates: Candidate[] = [];
    for (const subject of subjects) {
      const state = states.get(subject.number);
      if (state === undefined) absent.add(subject.id);
      else absent.delete(subject.id);
      const status = state === undefined ? missing(subject) : living(subject, state);
      if (status !== undefined) statuses.set(subject.id, status);
      else if (state !== undefined && meaningOf(state.status) === "ended") candidates.push({ ...subject, state });
    }
    for (const [id, status] of await settle(candidates, signal)) statuses.set(id, status);
    return statuses;
  };

  const missing = ({ id, number }: Subject): SchedulerStatus | undefined =>
    isOverdue(id, "to be known", lostAfterMs) ? end(id, lost(number)) : undefined;

  const living = ({ id, number }: Subject, state: DiracJobState): SchedulerStatus | undefined => {
    const meaning = meaningOf(state.status);
    if (meaning === "running" || state.status === "Matched") begun.add(number);
    if (meaning !== "queued" && meaning !== "running") return undefined;
    expected.delete(id);
    disobedient.delete(id);
    if (meaning === "running") return { type: "running" };
    const note = noteOf(state);
    return note === undefined ? { type: "queued" } : { type: "queued", note };
  };

  const end = (id: SchedulerJobId, status: SchedulerStatus): SchedulerStatus => {
    for (const notes of [expected, disobedient, looks]) notes.delete(id);
    ended.set(id, status);
    return status;
  };

  const looksAt = ({ id }: Candidate): number => looks.get(id) ?? 0;

  /** Finds out how jobs ended that DIRAC shows as ended, as far as that can be said now. */
  const settle = async (
    candidates: readonly Candidate[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<SchedulerJobId, SchedulerStatus>> => {
    const statuses = new Map<SchedulerJobId, SchedulerStatus>();
    // What the Python Bartender submitted has left no record.
    const [ours, others] = [candidates.filter(isOurs), candidates.filter((candidate) => !isOurs(candidate))];
    for (const { id, state } of others) statuses.set(id, end(id, endOf(state, undefined)));
    const now = ours.toSorted((a, b) => looksAt(a) - looksAt(b)).slice(0, RECORDS_AT_ONCE);
    for (const candidate of now) looks.set(candidate.id, looksAt(candidate) + 1);
    // A node brings the record when the command has ended, and that may get through where its report got lost.
    const asked = now.filter(({ id, state }) => !mayStillRun(state) || isSilent(id)).map(({ number }) => number);
    const found: ReadonlyMap<number, DiracSandbox> =
      asked.length === 0 ? new Map() : await sandboxes.read(asked, signal);
    const mute: Candidate[] = [];
    for (const candidate of now) {
      const sandbox = found.get(candidate.number);
      if (sandbox?.type !== "record" || isOfSecondStart(candidate, sandbox.record)) mute.push(candidate);
      else {
        const status = recorded(candidate, sandbox.record);
        if (status !== undefined) statuses.set(candidate.id, status);
      }
    }
    const facts = await commands.facts(
      mute.map(({ number }) => number),
      signal,
    );
    const factsOf = new Map(facts.map((fact) => [fact.number, fact]));
    for (const { number, hasBegun } of facts) if (hasBegun) begun.add(number);
    await lookForNodes(mute, signal);
    for (const candidate of mute) {
      const { id, number, tag } = candidate;
      const fact = factsOf.get(number);
      if (fact === undefined) continue;
      const status = fact.name === tag ? withoutRecord(candidate, fact, found.get(number)) : missing(candidate);
      if (status !== undefined) statuses.set(id, status);
    }
    return statuses;
  };

  const recorded = (candidate: Candidate, record: DiracRecord): SchedulerStatus | undefined => {
    const { id, number, tag, state } = candidate;
    // The number was given to another job.
    if (record.tag !== tag) return missing(candidate);
    if (record.claimedBy !== undefined && record.claimedBy !== number && record.claimedBy !== 0) {
      // This job came too late and did nothing: the one that was first tells how the attempt goes on.
      substitutes.set(id, record.claimedBy);
      return undefined;
    }
    return end(id, endOf(state, record));
  };

  /** A job may have been given to a node just before it was ended, and its node not have said so yet. */
  const lookForNodes = async (candidates: readonly Candidate[], signal: AbortSignal): Promise<void> => {
    const unseen = candidates.filter(({ number, state }) => isEndedByRequest(state) && !begun.has(number));
    if (unseen.length === 0) return;
    const numbers = unseen.map(({ number }) => number);
    for (const number of await commands.matched(numbers, signal)) begun.add(number);
  };

  const withoutRecord = (
    { id, number, state }: Candidate,
    { heartBeat }: DiracJobFacts,
    sandbox: DiracSandbox | undefined,
  ): SchedulerStatus | undefined => {
    if (!begun.has(number)) return end(id, endOf(state, undefined));
    if (mayStillRun(state)) {
      const before = expected.get(id)?.what;
      const what = `${OBEDIENCE} ${heartBeat}`;
      if (before?.startsWith(OBEDIENCE) === true && before !== what) disobedient.add(id);
      else disobedient.delete(id);
      if (!isOverdue(id, what, killPatienceMs)) return undefined;
      const outcome = outcomeOf(undefined, `${described(state)}, and its node does not answer`);
      return end(id, { type: "ended", outcome });
    }
    const patienceMs = sandbox?.type === "absent" ? recordPatienceMs : Math.max(recordPatienceMs, lostAfterMs);
    return isOverdue(id, "a record", patienceMs) ? end(id, endOf(state, undefined)) : undefined;
  };

  const isSilent = (id: SchedulerJobId): boolean => {
    const since = expected.get(id);
    return since?.what.startsWith(OBEDIENCE) === true && clock.monotonicMs() - since.sinceMs >= recordPatienceMs;
  };

  const rounds = inRounds(observe, options.closed);
  return {
    statuses: rounds.lookAtAll,
    look: rounds.look,
    isMissing: (id) => absent.has(id),
    livesOn: (id) => disobedient.has(id),
    numberOf: (id) => substitutes.get(id),
    forget(id) {
      for (const notes of [ended, absent, substitutes, expected, disobedient, looks]) notes.delete(id);
      const number = parseNumberedJob(id)?.number;
      if (number !== undefined) begun.delete(number);
    },
  };
}

/** It did nothing, and says nothing of the first start, which may still run on another node. */
function isOfSecondStart({ number, state }: Candidate, record: DiracRecord): boolean {
  return record.claimedBy === number && mayStillRun(state);
}

function isOurs({ tag }: Subject): boolean {
  return tag !== undefined;
}

/** Nobody can say of it that it does not run any more, so it is not run again. */
function lost(number: number): SchedulerStatus {
  return {
    type: "ended",
    outcome: outcomeOf(undefined, `DIRAC does not know the job any more (its number was ${number})`),
  };
}
