import { KernelError } from "../../actors/kernel/errors.ts";
import { BartenderError } from "../../src/core/errors.ts";
import type { JobId } from "../../src/core/ids.ts";
import type { Job, PublicState } from "../../src/core/job.ts";
import type { JobService } from "../../src/ports/job_service.ts";
import type { NewJob } from "../../src/ports/job_store.ts";
import type { Outside } from "./outside.ts";
import type { Record } from "./promise_keeper.ts";
import type { SimulatedDaemon } from "./simulated_daemon.ts";

const NAMES = ["alice", "bob"] as const;

/** People who submit, look, rename and delete whenever they like, and what they are told. */
export class SimulatedUsers {
  readonly #outside: Outside;
  #uploads = 0;

  constructor(outside: Outside) {
    this.#outside = outside;
  }

  /** One call of one user. Never rejects; stays open for ever when the daemon is killed. */
  async call(daemon: SimulatedDaemon, service: JobService): Promise<void> {
    const { trace, keeper } = this.#outside;
    daemon.openCalls += 1;
    try {
      await this.#callOne(service);
    } catch (error) {
      trace(() => `user is told: ${error}`);
      // Anything else would be a fault without explanation, 500.
      const isExplained = error instanceof BartenderError || error instanceof KernelError || isDisk(error);
      if (!isExplained) keeper.note(`a user was told: ${error instanceof Error ? error.stack : error}`);
    } finally {
      daemon.openCalls -= 1;
    }
  }

  async #callOne(service: JobService): Promise<void> {
    const { random, plan } = this.#outside.chaos;
    const record = this.#someRecord();
    if (record === undefined || random.chance(0.4)) return await this.#submit(service);
    if (random.chance(plan.deleteShare)) return await this.#remove(service, record);
    if (random.chance(plan.cancelShare)) return await this.#cancel(service, record);
    switch (random.int(4)) {
      case 0:
        return await this.#get(service, record);
      case 1:
        return await this.#list(service, record.submitter);
      case 2:
        return await this.#history(service, record);
      default: {
        const isDone = await service.rename(record.id, record.submitter, "renamed");
        if (!isDone) this.#outside.keeper.missed(record.id);
      }
    }
  }

  #someRecord(): Record | undefined {
    const accepted = [...this.#outside.keeper.records.values()].filter(({ isAccepted }) => isAccepted);
    return accepted[this.#outside.chaos.random.int(Math.max(1, accepted.length))];
  }

  async #submit(service: JobService): Promise<void> {
    const { files, keeper, trace, chaos, time } = this.#outside;
    this.#uploads += 1;
    const upload = `u${this.#uploads}`;
    files.uploads.set(upload, time.wallMs);
    const submitter = chaos.random.pick(NAMES);
    trace(() => `${submitter} submits ${upload}`);
    try {
      const submission = { name: upload, application: "echo", submitter, parameters: {}, upload };
      const job = chaos.random.chance(0.3)
        ? await this.#submitOnce(service, submission)
        : await service.submit(submission);
      if (job === undefined) return;
      trace(() => `${submitter} is told that ${upload} is job ${job.id}`);
      const record = keeper.records.get(job.id);
      if (record !== undefined) record.isAccepted = true;
    } catch (error) {
      files.uploads.delete(upload);
      throw error;
    }
  }

  /** With one of two keys, so that most are sent again. */
  async #submitOnce(service: JobService, submission: NewJob): Promise<Job | undefined> {
    const { chaos, files, trace } = this.#outside;
    const once = { key: `key${chaos.random.int(2)}`, digest: "digest" };
    const result = await service.submitOnce(submission, once);
    if (result.type === "submitted") return result.job;
    trace(() => `${submission.submitter} is told that ${once.key} is job ${result.earlier.id}`);
    files.uploads.delete(submission.upload);
    return undefined;
  }

  async #cancel(service: JobService, record: Record): Promise<void> {
    const { trace } = this.#outside;
    trace(() => `${record.submitter} cancels ${record.id}`);
    record.isCancelRequested = true;
    const { type } = await service.cancel(record.id, record.submitter);
    trace(() => `${record.submitter} is told that ${record.id} is ${type}`);
    if (type === "cancelling") record.isCancelAnswered = true;
    if (type === "not_found") this.#outside.keeper.missed(record.id);
  }

  async #history(service: JobService, record: Record): Promise<void> {
    const { keeper } = this.#outside;
    const steps = await service.history(record.id, record.submitter);
    if (steps === undefined) return keeper.missed(record.id);
    keeper.told(record.id, steps);
  }

  async #remove(service: JobService, record: Record): Promise<void> {
    const { trace } = this.#outside;
    trace(() => `${record.submitter} deletes ${record.id}`);
    record.isDeleteRequested = true;
    const result = await service.remove(record.id, record.submitter);
    trace(() => `${record.submitter} is told that ${record.id} is ${result}`);
    if (result === "deleted") record.isDeleteAnswered = true;
  }

  async #get(service: JobService, record: Record): Promise<void> {
    const { keeper } = this.#outside;
    const { observed, isDeleteAnswered } = record;
    const job = await service.get(record.id, record.submitter);
    if (job === undefined) keeper.missed(record.id);
    else keeper.observed(job, observed, isDeleteAnswered);
    if (job !== undefined) await service.describe([job]);
  }

  async #list(service: JobService, submitter: string): Promise<void> {
    const { keeper } = this.#outside;
    const before = new Map<JobId, { known: PublicState | undefined; wasDeleted: boolean; isAccepted: boolean }>();
    for (const { id, observed, isDeleteAnswered, isAccepted, submitter: owner } of keeper.records.values()) {
      if (owner === submitter) before.set(id, { known: observed, wasDeleted: isDeleteAnswered, isAccepted });
    }
    const jobs = await service.list({ submitter, limit: 1000, offset: 0 });
    const shown = new Set(jobs.map(({ id }) => id));
    for (const [id, { isAccepted }] of before) if (isAccepted && !shown.has(id)) keeper.missed(id);
    for (const job of jobs) {
      const { known, wasDeleted = false } = before.get(job.id) ?? {};
      keeper.observed(job, known, wasDeleted);
    }
  }
}

function isDisk(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("EIO");
}
