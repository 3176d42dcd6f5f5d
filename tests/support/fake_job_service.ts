import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { JobWatchers } from "../../actors/job_watchers.ts";
import { type JobId, jobId, MAX_JOB_ID } from "../../src/core/ids.ts";
import { type Job, type Phase, publicState } from "../../src/core/job.ts";
import { cancellability, cancelledBy } from "../../src/core/job_end.ts";
import { reasonOf, reasonOfEnd } from "../../src/core/job_reason.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { DeleteResult, JobService, RemoteLog } from "../../src/ports/job_service.ts";
import type { HistoryEntry, KeyedJob, NewJob } from "../../src/ports/job_store.ts";
import { aJob, progressIn } from "./job_builder.ts";
import { passesFilter } from "./passes_filter.ts";

/**
 * A job service without actors, for tests of the edge alone: rows are kept in memory, uploads are really moved into
 * a job root. Faults that cannot be had on demand are planted with `fault`.
 */
export interface FakeJobService extends JobService {
  /** What {@link JobService.remoteLog} answers, by number of the job. */
  readonly remoteLogs: Map<number, RemoteLog>;
  readonly rows: ReadonlyMap<number, Job>;
  readonly submitted: readonly NewJob[];
  /** How many listeners there are. */
  readonly watchers: number;
  /** Thrown by every method while it is set. */
  fault: Error | undefined;
  /** Thrown for new jobs, `early` without a look at their upload. */
  readonly away: { early: Error | undefined; late: Error | undefined };
  /** Adds a job with a directory of its own. */
  plant(changes: Partial<Job> & { readonly phase?: Phase }): Job;
  /** Takes the next step of a job, and wakes its watchers. */
  move(id: JobId, phase: Phase, changes?: Partial<Job>): Job;
  directory(job: Pick<Job, "id">): string;
}

/** @param directory absolute; gets the sub directories `jobs` and `uploads` */
export function fakeJobService(directory: string, clock: Clock): FakeJobService {
  const [jobRootDir, uploadDir] = [join(directory, "jobs"), join(directory, "uploads")];
  mkdirSync(jobRootDir);
  mkdirSync(uploadDir, { mode: 0o700 });
  const rows = new Map<number, Job>();
  const histories = new Map<number, HistoryEntry[]>();
  const watchers = new JobWatchers();
  let listeners = 0;
  const submitted: NewJob[] = [];
  const keys = new Map<string, KeyedJob>();
  let lastId = 0;
  const own = (id: number, submitter: string): Job | undefined => {
    if (service.fault !== undefined) throw service.fault;
    const job = rows.get(id);
    return job?.submitter === submitter ? job : undefined;
  };
  const keep = (job: Job): Job => {
    rows.set(job.id, job);
    const { version, attempt, progress } = job;
    const reason = reasonOfEnd(progress);
    const entry = {
      version,
      onMs: clock.nowMs(),
      phase: progress.phase,
      state: publicState(progress),
      attempt,
      reason,
    };
    histories.set(job.id, [...(histories.get(job.id) ?? []), entry]);
    return job;
  };
  const service: FakeJobService = {
    jobRootDir,
    uploadDir,
    rows,
    submitted,
    get watchers() {
      return listeners;
    },
    fault: undefined,
    directory: ({ id }) => join(jobRootDir, String(id)),
    plant({ phase = "finished", ...changes }) {
      lastId += 1;
      const nowMs = clock.nowMs();
      const job = aJob({
        id: jobId(lastId),
        progress: progressIn(phase),
        createdOnMs: nowMs,
        updatedOnMs: nowMs,
        ...changes,
      });
      keep(job);
      mkdirSync(service.directory(job), { recursive: true });
      return job;
    },
    move(id, phase, changes = {}) {
      const before = rows.get(id);
      if (before === undefined) throw new Error(`There is no job ${id}`);
      const version = before.version + 1;
      const job = keep({ ...before, progress: progressIn(phase), updatedOnMs: clock.nowMs(), version, ...changes });
      watchers.wake(id);
      return job;
    },
    remoteLogs: new Map(),
    remoteLog: ({ id }) => service.remoteLogs.get(id),
    away: { early: undefined, late: undefined },
    async checkDestination(_application, _submitter, upload) {
      const error = upload === undefined ? service.away.early : service.away.late;
      if (error !== undefined) throw error;
    },
    async submit(job) {
      if (service.fault !== undefined) throw service.fault;
      submitted.push(job);
      lastId += 1;
      const { upload, ...identity } = job;
      const nowMs = clock.nowMs();
      const row = aJob({ ...identity, id: jobId(lastId), createdOnMs: nowMs, updatedOnMs: nowMs });
      renameSync(join(uploadDir, upload), service.directory(row));
      return keep(row);
    },
    async submitOnce(job, { key, digest }) {
      const earlier = await service.keyed(job.submitter, key);
      if (earlier !== undefined) return { type: "known", earlier };
      const row = await service.submit(job);
      keys.set(`${job.submitter} ${key}`, { id: row.id, application: job.application, digest, isBeingDeleted: false });
      return { type: "submitted", job: row };
    },
    async keyed(submitter, key) {
      if (service.fault !== undefined) throw service.fault;
      return keys.get(`${submitter} ${key}`);
    },
    async hasAtLeast(submitter, kind, count) {
      if (service.fault !== undefined) throw service.fault;
      const counted = [...rows.values()].filter(
        (job) => job.submitter === submitter && (kind === "stored" || job.progress.phase !== "finished"),
      );
      return counted.length >= count;
    },
    async get(id, submitter) {
      return own(id, submitter);
    },
    async describe(jobs) {
      return jobs.map((job) => ({
        job,
        reason: reasonOf(job, { retry: null, isDestinationMissing: false, outages: {} }),
        queuePosition: job.progress.phase === "waiting" ? job.id : null,
      }));
    },
    async list({ submitter, limit, offset, before = jobId(MAX_JOB_ID), filter }) {
      if (service.fault !== undefined) throw service.fault;
      const jobs = [...rows.values()]
        .filter((job) => job.submitter === submitter && job.id < before)
        .filter((job) => filter === undefined || passesFilter(job, filter))
        .sort((a, b) => b.id - a.id);
      return jobs.slice(offset, offset + limit);
    },
    async rename(id, submitter, name) {
      const job = own(id, submitter);
      if (job !== undefined) rows.set(id, { ...job, name });
      return job !== undefined;
    },
    async cancel(id, submitter) {
      const job = own(id, submitter);
      if (job === undefined) return { type: "not_found" };
      const verdict = cancellability(job);
      if (verdict !== "possible") return { type: verdict };
      const outcome = { isOk: false, returnCode: null, reason: cancelledBy(submitter) };
      const progress = {
        phase: "closing",
        placement: null,
        schedulerJobId: null,
        outcome,
        cancellation: null,
      } as const;
      const cancelled = keep({ ...job, progress, version: job.version + 1 });
      watchers.wake(id);
      return { type: "cancelling", job: cancelled };
    },
    async remove(id, submitter): Promise<DeleteResult> {
      const job = own(id, submitter);
      if (job === undefined) return "not_found";
      if (job.progress.phase === "staging_out") return "in_transit";
      rows.delete(id);
      rmSync(service.directory(job), { recursive: true, force: true });
      watchers.wake(id);
      return "deleted";
    },
    async history(id, submitter) {
      return own(id, submitter) === undefined ? undefined : histories.get(id);
    },
    watch(id, wake) {
      const stop = watchers.watch(id, wake);
      let isWatching = true;
      listeners += 1;
      return () => {
        if (isWatching) listeners -= 1;
        isWatching = false;
        stop();
      };
    },
    async ping() {
      if (service.fault !== undefined) throw service.fault;
    },
  };
  return service;
}
