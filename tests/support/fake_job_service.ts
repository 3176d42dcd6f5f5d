import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { jobId } from "../../src/core/ids.ts";
import type { Job, Phase } from "../../src/core/job.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { DeleteResult, JobService } from "../../src/ports/job_service.ts";
import type { NewJob } from "../../src/ports/job_store.ts";
import { aJob, progressIn } from "./job_builder.ts";

/**
 * A job service without actors, for tests of the edge alone: rows are kept in memory, uploads are really moved into
 * a job root. Faults that cannot be had on demand are planted with `fault`.
 */
export interface FakeJobService extends JobService {
  readonly rows: ReadonlyMap<number, Job>;
  readonly submitted: readonly NewJob[];
  /** Thrown by every method while it is set. */
  fault: Error | undefined;
  /** Adds a job with a directory of its own. */
  plant(changes: Partial<Job> & { readonly phase?: Phase }): Job;
  directory(job: Pick<Job, "id">): string;
}

/** @param directory absolute; gets the sub directories `jobs` and `uploads` */
export function fakeJobService(directory: string, clock: Clock): FakeJobService {
  const [jobRootDir, uploadDir] = [join(directory, "jobs"), join(directory, "uploads")];
  mkdirSync(jobRootDir);
  mkdirSync(uploadDir, { mode: 0o700 });
  const rows = new Map<number, Job>();
  const submitted: NewJob[] = [];
  let lastId = 0;
  const own = (id: number, submitter: string): Job | undefined => {
    if (service.fault !== undefined) throw service.fault;
    const job = rows.get(id);
    return job?.submitter === submitter ? job : undefined;
  };
  const service: FakeJobService = {
    jobRootDir,
    uploadDir,
    rows,
    submitted,
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
      rows.set(job.id, job);
      mkdirSync(service.directory(job), { recursive: true });
      return job;
    },
    async submit(job) {
      if (service.fault !== undefined) throw service.fault;
      submitted.push(job);
      lastId += 1;
      const { upload, ...identity } = job;
      const nowMs = clock.nowMs();
      const row = aJob({ ...identity, id: jobId(lastId), createdOnMs: nowMs, updatedOnMs: nowMs });
      renameSync(join(uploadDir, upload), service.directory(row));
      rows.set(row.id, row);
      return row;
    },
    async get(id, submitter) {
      return own(id, submitter);
    },
    async list(submitter, limit, offset) {
      if (service.fault !== undefined) throw service.fault;
      const jobs = [...rows.values()].filter((job) => job.submitter === submitter).sort((a, b) => b.id - a.id);
      return jobs.slice(offset, offset + limit);
    },
    async rename(id, submitter, name) {
      const job = own(id, submitter);
      if (job !== undefined) rows.set(id, { ...job, name });
      return job !== undefined;
    },
    async remove(id, submitter): Promise<DeleteResult> {
      const job = own(id, submitter);
      if (job === undefined) return "not_found";
      if (job.progress.phase === "staging_out") return "in_transit";
      rows.delete(id);
      rmSync(service.directory(job), { recursive: true, force: true });
      return "deleted";
    },
    async ping() {
      if (service.fault !== undefined) throw service.fault;
    },
  };
  return service;
}
