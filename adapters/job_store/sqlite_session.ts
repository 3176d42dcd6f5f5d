import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { assertNever } from "../../src/core/assert_never.ts";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { PreparedQuery } from "./prepared_query.ts";
import type { SqlSession } from "./sql_session.ts";
import { faultError, faultOf, isBusy, type SqliteFault, storeError, storeUnavailable } from "./sqlite_errors.ts";
import { bindable } from "./sqlite_value.ts";
import type { BatchAnswer, BatchWriter, StatementAnswer, WriteStatement } from "./sqlite_writer.ts";

/** Writes in one transaction; more would keep everything else waiting for too long. */
const MAX_BATCH = 256;

/** How often a lock of another process is tried again, and for how long. */
export const LOCK_RETRY_MS = 50;
export const LOCK_TIMEOUT_MS = 5_000;

interface PendingWrite {
  readonly statement: WriteStatement;
  readonly resolve: (rows: readonly unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs queries on a `node:sqlite` database, which is synchronous: reads on the caller's thread, writes by a
 * {@link BatchWriter}.
 *
 * What a commit costs is the wait for the disk. So the writes that are asked for in one turn of the event loop, or
 * while a commit is under way, are committed together, in the order of the calls, and each caller hears of its own when
 * the commit is done. Reads see committed writes only: the writer has a connection of its own, or ends its transaction
 * in the turn in which it began.
 */
export class SqliteSession implements SqlSession {
  readonly #database: DatabaseSync;
  readonly #writer: BatchWriter;
  readonly #clock: Clock;
  readonly #reads = new Map<unknown, StatementSync>();
  /** Asked for and not answered yet; the first ones may be with the writer. */
  #pending: PendingWrite[] = [];
  /** True while something will go on with what is pending. */
  #isUnderWay = false;
  /** Since when what is under way has not been answered. */
  #waitingSinceMs: number | undefined;
  /** Since when a lock of another process keeps the writes waiting. */
  #lockedSinceMs: number | undefined;
  #whenIdle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  /** @param database for reads; closed with the session */
  constructor(database: DatabaseSync, writer: BatchWriter, clock: Clock) {
    this.#database = database;
    this.#writer = writer;
    this.#clock = clock;
  }

  async read<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]> {
    this.#refuseClosed();
    try {
      let statement = this.#reads.get(query);
      if (statement === undefined) {
        statement = this.#database.prepare(query.sql);
        this.#reads.set(query, statement);
      }
      return statement.all(...bindable(query.bind(params))) as Row[];
    } catch (error) {
      throw storeError(error);
    }
  }

  write<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      try {
        this.#refuseClosed();
        const statement = { sql: query.sql, values: bindable(query.bind(params)) };
        this.#pending.push({ statement, resolve: (rows) => resolve(rows as Row[]), reject });
        this.#goOn();
      } catch (error) {
        reject(storeError(error));
      }
    });
  }

  silentMs(): number {
    return this.#waitingSinceMs === undefined ? 0 : this.#clock.monotonicMs() - this.#waitingSinceMs;
  }

  close(): Promise<void> {
    this.#closed ??= this.#closeOnce();
    return this.#closed;
  }

  async #closeOnce(): Promise<void> {
    if (this.#isUnderWay) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    // Whoever lets go last tidies up after the writes, which takes a while.
    this.#database.close();
    await this.#writer.close();
  }

  #refuseClosed(): void {
    if (this.#closed !== undefined) throw new StoreUnavailableError("The job store is closed");
  }

  #goOn(): void {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    this.#waitingSinceMs = this.#clock.monotonicMs();
    setImmediate(() => void this.#commit());
  }

  async #commit(): Promise<void> {
    const batch = this.#pending.slice(0, MAX_BATCH);
    const answer = await this.#answerTo(batch.map((write) => write.statement));
    const isBegun = answer.type !== "not_begun";
    if (!isBegun && this.#waitsForLock(answer.fault)) return;
    this.#lockedSinceMs = undefined;
    // What was asked for since then would not fare better than what could not begin.
    settle(this.#pending.splice(0, isBegun ? batch.length : this.#pending.length), answer);
    this.#isUnderWay = false;
    this.#waitingSinceMs = undefined;
    if (this.#pending.length > 0) this.#goOn();
    else this.#whenIdle?.();
  }

  async #answerTo(batch: readonly WriteStatement[]): Promise<BatchAnswer> {
    try {
      return await this.#writer.run(batch);
    } catch (error) {
      return { type: "given_up", fault: faultOf(error), undoFault: undefined };
    }
  }

  /** Waiting in SQLite would stop the whole thread; so a lock is tried again later, and reads go on meanwhile. */
  #waitsForLock(fault: SqliteFault): boolean {
    const nowMs = this.#clock.monotonicMs();
    this.#lockedSinceMs ??= nowMs;
    if (!isBusy(faultError(fault)) || nowMs - this.#lockedSinceMs >= LOCK_TIMEOUT_MS) return false;
    this.#clock.after(LOCK_RETRY_MS, () => void this.#commit());
    return true;
  }
}

function settle(writes: readonly PendingWrite[], answer: BatchAnswer): void {
  switch (answer.type) {
    case "committed":
      for (const [index, write] of writes.entries()) settleOne(write, answer.answers[index]);
      return;
    case "not_begun":
      for (const write of writes) write.reject(storeUnavailable(faultError(answer.fault)));
      return;
    case "given_up": {
      const error = faultError(answer.fault);
      const { message } = storeUnavailable(error);
      const undone = answer.undoFault === undefined ? "" : `, and it could not be undone: ${answer.undoFault.message}`;
      // What the disk made of a commit that failed is only known when it is read again.
      const reason = new StoreUnavailableError(message + undone, error, true);
      for (const write of writes) write.reject(reason);
      return;
    }
    default:
      assertNever(answer);
  }
}

function settleOne(write: PendingWrite, answer: StatementAnswer | undefined): void {
  if (answer !== undefined && "rows" in answer) write.resolve(answer.rows);
  else write.reject(storeError(answer === undefined ? new Error("no answer") : faultError(answer.fault)));
}
