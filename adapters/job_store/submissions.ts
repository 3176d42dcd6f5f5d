import { BartenderError, StoreUnavailableError } from "../../src/core/errors.ts";
import { jobId } from "../../src/core/ids.ts";
import type { Job, Progress } from "../../src/core/job.ts";
import { UNKNOWN_ORIGIN } from "../../src/core/job_origin.ts";
import type { KeyedJob, NewJob, SubmissionKey } from "../../src/ports/job_store.ts";
import type { JobQueries } from "./job_queries.ts";
import { progressColumns } from "./job_row.ts";
import { encodeOrigin } from "./origin_codec.ts";
import type { SqlSession } from "./sql_session.ts";
import { encodeTimestamp } from "./timestamp.ts";
import { Withdrawals, type WithdrawalsOptions } from "./withdrawals.ts";

/** The part of the job store that adds jobs, each once, whatever becomes of the answers of the database. */
export class Submissions {
  readonly #session: SqlSession;
  readonly #queries: JobQueries;
  readonly #withdrawals: Withdrawals;

  constructor(options: WithdrawalsOptions) {
    this.#session = options.session;
    this.#queries = options.queries;
    this.#withdrawals = new Withdrawals(options);
  }

  /**
   * Adds a job, or finds it when it was added by an earlier call with the same upload.
   *
   * @returns undefined when another job of the submitter has the key
   * @throws {StoreUnavailableError} then it is not added, or is taken back as soon as the database answers
   */
  async insert(job: NewJob, once: SubmissionKey | undefined, nowMs: number): Promise<Job | undefined> {
    const progress: Progress = { phase: "accepted", upload: job.upload, cancellation: null };
    const columns = progressColumns(progress);
    const id = await this.#insertRow({
      name: job.name,
      application: job.application,
      submitter: job.submitter,
      parameters: JSON.stringify(job.parameters),
      origin: encodeOrigin(job.origin ?? UNKNOWN_ORIGIN),
      state: columns.state,
      phase: columns.phase,
      progress: columns.progress,
      idempotency_key: once?.key ?? null,
      request_digest: once?.digest ?? null,
      upload: job.upload,
      now: encodeTimestamp(nowMs),
    });
    if (id === undefined) return undefined;
    return {
      id: jobId(id),
      name: job.name,
      application: job.application,
      submitter: job.submitter,
      parameters: job.parameters,
      origin: job.origin ?? UNKNOWN_ORIGIN,
      createdOnMs: nowMs,
      progress,
      attempt: 0,
      version: 1,
      updatedOnMs: nowMs,
      submittedOnMs: null,
      startedOnMs: null,
      finishedOnMs: null,
    };
  }

  async #insertRow(row: Parameters<JobQueries["insert"]["bind"]>[0]): Promise<number | undefined> {
    const { upload } = row;
    // Without delay where it can be, so that whatever was asked for before close() is done.
    if (this.#withdrawals.isPending) await this.#withdrawals.settle();
    this.#withdrawals.forget(upload);
    let isAnswered = false;
    try {
      const [inserted] = await this.#session.write(this.#queries.insert, row);
      isAnswered = true;
      if (inserted !== undefined) return inserted.id;
      const [earlier] = await this.#session.read(this.#queries.uploaded, { upload });
      if (earlier !== undefined && earlier.version !== 1) {
        throw new BartenderError("upload_known", `The upload ${upload} has become job ${earlier.id} long ago`);
      }
      return earlier?.id;
    } catch (error) {
      const isUnknown = error instanceof StoreUnavailableError && (isAnswered || error.isOutcomeUnknown);
      if (isUnknown) this.#withdrawals.add(upload);
      throw error;
    }
  }

  async keyed(submitter: string, key: string): Promise<KeyedJob | undefined> {
    if (this.#withdrawals.isPending) await this.#withdrawals.settle();
    const [row] = await this.#session.read(this.#queries.keyed, { submitter, key });
    if (row === undefined) return undefined;
    return {
      id: jobId(row.id),
      application: row.application,
      digest: row.request_digest ?? "",
      isBeingDeleted: row.phase === "deleting",
    };
  }

  close(): void {
    this.#withdrawals.close();
  }
}
