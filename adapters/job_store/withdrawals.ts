import { messageOf } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { JobQueries } from "./job_queries.ts";
import type { SqlSession } from "./sql_session.ts";

/** How often a database that is away is asked. */
const RETRY_MS = 1_000;

/**
 * How long an insert may still be made after its caller was told that it failed: a server that was frozen begins with
 * the statements that it was sent before, and ends them within the time limit of a statement.
 */
const LATE_MS = 15_000;

export interface WithdrawalsOptions {
  readonly session: SqlSession;
  readonly queries: JobQueries;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Takes back inserts whose answer was lost, so that nobody finds a job that its submitter was refused: as soon as the
 * database answers, and once more when no late insert can come any more.
 */
export class Withdrawals {
  readonly #options: WithdrawalsOptions;
  /** By upload: when it was first taken back, on the monotonic clock; undefined while it was not. */
  readonly #uploads = new Map<string, number | undefined>();
  #run: Promise<void> | undefined;
  #stopTimer: () => void = () => {};
  #isClosed = false;

  constructor(options: WithdrawalsOptions) {
    this.#options = options;
  }

  /** True when there is something to take back. */
  get isPending(): boolean {
    return this.#uploads.size > 0;
  }

  /** The insert of this upload may have been made, and must not have been. */
  add(upload: string): void {
    this.#uploads.set(upload, undefined);
    this.#schedule();
  }

  /** The upload is inserted anew. To be called after `settle`. */
  forget(upload: string): void {
    this.#uploads.delete(upload);
  }

  /**
   * Resolves when no job is there that is to be taken back.
   *
   * @throws {StoreUnavailableError} when the database is still away
   */
  async settle(): Promise<void> {
    if (!this.isPending) return;
    this.#run ??= this.#withdrawAll().finally(() => {
      this.#run = undefined;
    });
    await this.#run;
  }

  close(): void {
    this.#isClosed = true;
    this.#stopTimer();
    if (this.isPending) {
      this.#options.logger.warn("Submissions that were refused may come back as jobs that fail", {
        submissions: this.#uploads.size,
      });
    }
  }

  async #withdrawAll(): Promise<void> {
    const { session, queries, clock } = this.#options;
    for (const [upload, sinceMs] of [...this.#uploads]) {
      await session.write(queries.withdraw, { upload });
      const nowMs = clock.monotonicMs();
      if (sinceMs === undefined) this.#uploads.set(upload, nowMs);
      else if (nowMs - sinceMs >= LATE_MS) this.#uploads.delete(upload);
    }
  }

  #schedule(): void {
    this.#stopTimer();
    if (this.#isClosed || !this.isPending) return;
    const isUrgent = [...this.#uploads.values()].includes(undefined);
    this.#stopTimer = this.#options.clock.after(isUrgent ? RETRY_MS : LATE_MS, () => void this.#settleLater());
  }

  /** Never rejects. */
  async #settleLater(): Promise<void> {
    try {
      await this.settle();
    } catch (error) {
      this.#options.logger.debug("A submission cannot be taken back yet", { reason: messageOf(error) });
    }
    this.#schedule();
  }
}
