import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { messageOf, StoreUnavailableError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { PreparedQuery } from "./prepared_query.ts";
import type { SqlSession } from "./sql_session.ts";
import { bindable } from "./sqlite_dialect.ts";
import { isBusy, storeError, storeUnavailable } from "./sqlite_errors.ts";

/** Writes in one transaction; more would keep everything else waiting for too long. */
const MAX_BATCH = 256;

/** How often a lock of another process is tried again, and for how long. */
export const LOCK_RETRY_MS = 50;
export const LOCK_TIMEOUT_MS = 5_000;

interface PendingWrite {
  readonly statement: StatementSync;
  readonly values: ReturnType<typeof bindable>;
  readonly resolve: (rows: readonly unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs queries on a `node:sqlite` database, which is synchronous.
 *
 * What a commit costs is the wait for the disk. So the writes that are asked for in one turn of the event loop are
 * committed together, in the order of the calls, and each caller hears of its own when the commit is done. Reads
 * see committed writes only, because a transaction begins and ends within one turn.
 */
export class SqliteSession implements SqlSession {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #statements = new Map<unknown, StatementSync>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  #pending: PendingWrite[] = [];
  #isScheduled = false;
  /** Since when a lock of another process keeps the writes waiting. */
  #lockedSinceMs: number | undefined;
  #whenIdle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#begin = database.prepare("begin immediate");
    this.#commit = database.prepare("commit");
    this.#rollback = database.prepare("rollback");
  }

  async read<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]> {
    try {
      return this.#statement(query).all(...bindable(query.bind(params))) as Row[];
    } catch (error) {
      throw storeError(error);
    }
  }

  write<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      try {
        const statement = this.#statement(query);
        const values = bindable(query.bind(params));
        this.#pending.push({ statement, values, resolve: (rows) => resolve(rows as Row[]), reject });
        this.#schedule();
      } catch (error) {
        reject(storeError(error));
      }
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#closeOnce();
    return this.#closed;
  }

  async #closeOnce(): Promise<void> {
    if (this.#pending.length > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    this.#database.close();
  }

  #statement(query: PreparedQuery<never, unknown>): StatementSync {
    if (this.#closed !== undefined) throw new StoreUnavailableError("The job store is closed");
    let statement = this.#statements.get(query);
    if (statement === undefined) {
      statement = this.#database.prepare(query.sql);
      this.#statements.set(query, statement);
    }
    return statement;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    try {
      this.#rollBack();
      this.#begin.run();
    } catch (error) {
      this.#couldNotBegin(error);
      return;
    }
    this.#lockedSinceMs = undefined;
    const batch = this.#pending.slice(0, MAX_BATCH);
    this.#pending = this.#pending.slice(MAX_BATCH);
    this.#settle(batch);
    this.#goOn();
  }

  /** Waiting in SQLite would stop the whole process; so a lock is tried again later, and reads go on meanwhile. */
  #couldNotBegin(error: unknown): void {
    const nowMs = this.#clock.monotonicMs();
    this.#lockedSinceMs ??= nowMs;
    if (isBusy(error) && nowMs - this.#lockedSinceMs < LOCK_TIMEOUT_MS) {
      this.#isScheduled = true;
      this.#clock.after(LOCK_RETRY_MS, () => this.#flush());
      return;
    }
    this.#lockedSinceMs = undefined;
    const refused = this.#pending;
    this.#pending = [];
    for (const write of refused) write.reject(storeUnavailable(error));
    this.#goOn();
  }

  #goOn(): void {
    if (this.#pending.length > 0) this.#schedule();
    else this.#whenIdle?.();
  }

  #settle(batch: readonly PendingWrite[]): void {
    let answers: (() => void)[];
    try {
      answers = batch.map((write) => this.#execute(write));
      this.#commit.run();
    } catch (error) {
      this.#abandon(batch, error);
      return;
    }
    for (const answer of answers) answer();
  }

  /**
   * @returns what tells the caller, to be called after the commit
   * @throws when the disk is full or the like: SQLite advises to give the whole transaction up, or did so already
   */
  #execute(write: PendingWrite): () => void {
    try {
      const rows = write.statement.all(...write.values);
      return () => write.resolve(rows);
    } catch (error) {
      const reason = storeError(error);
      if (reason instanceof StoreUnavailableError || !this.#database.isTransaction) throw error;
      return () => write.reject(reason);
    }
  }

  #abandon(batch: readonly PendingWrite[], error: unknown): void {
    // What the disk made of a commit that failed is only known when it is read again.
    let reason = new StoreUnavailableError(storeUnavailable(error).message, error, true);
    try {
      this.#rollBack();
    } catch (second) {
      // Tried again before the next transaction; until then nothing can be written.
      reason = new StoreUnavailableError(
        `${reason.message}, and it could not be undone: ${messageOf(second)}`,
        error,
        true,
      );
    }
    for (const write of batch) write.reject(reason);
  }

  #rollBack(): void {
    if (this.#database.isTransaction) this.#rollback.run();
  }
}
