import type { JobId } from "../../src/core/ids.ts";
import { holdsRunSlot, type Job, type Phase, type PublicState, placementOf, publicState } from "../../src/core/job.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { overriding } from "./overriding.ts";

/** Where a job is, as far as it is counted. */
export interface JobPlace {
  readonly phase: Phase;
  readonly state: PublicState;
  /** `none` before one is picked. */
  readonly destination: string;
}

/** Told what becomes of jobs. Must not throw. Durations are in seconds. */
export interface JobObserver {
  /** A job that is not finished has come to, or left, a place. */
  moved(place: JobPlace, by: 1 | -1): void;
  submitted(application: string): void;
  /** Its command was seen running for the first time, so long after the submission. */
  started(destination: string, waitedS: number): void;
  /** Its command is over. */
  ran(destination: string, durationS: number): void;
  rerun(destination: string): void;
  finished(
    job: { readonly destination: string; readonly application: string; readonly isOk: boolean },
    afterS: number,
  ): void;
}

interface Known {
  readonly place: JobPlace;
  readonly version: number;
  readonly attempt: number;
  readonly hasStarted: boolean;
  readonly holdsSlot: boolean;
}

/**
 * The store itself, but that `observer` hears of every step of every job. Jobs of earlier daemons are known as soon as
 * they are read for recovery. Keeps a few words for each unfinished job.
 */
export function trackedJobStore(store: JobStore, observer: JobObserver): JobStore {
  const known = new Map<JobId, Known>();
  /** Reads of unfinished jobs that are under way, and jobs that came to their end meanwhile: what was read is outdated. */
  let reads = 0;
  const gone = new Set<JobId>();

  const forget = (id: JobId): void => {
    const before = known.get(id);
    if (reads > 0) gone.add(id);
    if (before === undefined) return;
    known.delete(id);
    observer.moved(before.place, -1);
  };
  const note = (job: Job): void => {
    const before = known.get(job.id);
    if (before !== undefined) observer.moved(before.place, -1);
    const place = placeOf(job);
    known.set(job.id, {
      place,
      version: job.version,
      attempt: job.attempt,
      hasStarted: before?.hasStarted === true || job.startedOnMs !== null,
      holdsSlot: holdsRunSlot(job.progress),
    });
    observer.moved(place, 1);
  };
  const saved = (job: Job, nowMs: number): void => {
    const before = known.get(job.id);
    const { destination } = placeOf(job);
    const { startedOnMs } = job;
    if (startedOnMs !== null && before?.hasStarted === false)
      observer.started(destination, secondsFrom(job.createdOnMs, startedOnMs));
    if (startedOnMs !== null && before?.holdsSlot === true && !holdsRunSlot(job.progress))
      observer.ran(destination, secondsFrom(startedOnMs, nowMs));
    if (before !== undefined && before.attempt > 0 && job.attempt > before.attempt) observer.rerun(destination);
    if (job.progress.phase !== "finished") return note(job);
    const { isOk } = job.progress.outcome;
    observer.finished({ destination, application: job.application, isOk }, secondsFrom(job.createdOnMs, nowMs));
    forget(job.id);
  };
  const submitted = (job: Job): Job => {
    if (!known.has(job.id)) observer.submitted(job.application);
    note(job);
    return job;
  };

  return overriding(store, {
    insert: async (job, nowMs) => submitted(await store.insert(job, nowMs)),
    async insertOnce(job, once, nowMs) {
      const made = await store.insertOnce(job, once, nowMs);
      return made === undefined ? undefined : submitted(made);
    },
    async save(job, nowMs) {
      const done = await store.save(job, nowMs);
      saved(done, nowMs);
      return done;
    },
    async remove(id) {
      await store.remove(id);
      forget(id);
    },
    async unfinished(after, limit) {
      reads += 1;
      try {
        const jobs = await store.unfinished(after, limit);
        for (const job of jobs) {
          const isNewer = job.version > (known.get(job.id)?.version ?? 0);
          if (isNewer && !gone.has(job.id) && job.progress.phase !== "finished") note(job);
        }
        return jobs;
      } finally {
        reads -= 1;
        if (reads === 0) gone.clear();
      }
    },
  });
}

function placeOf({ progress }: Job): JobPlace {
  return {
    phase: progress.phase,
    state: publicState(progress),
    destination: placementOf(progress)?.destination ?? "none",
  };
}

function secondsFrom(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs) / 1000;
}
