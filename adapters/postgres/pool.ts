import { type BartenderError, StoreUnavailableError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { PostgresConnection } from "./connection.ts";
import { postgresStoreError, statementFault } from "./errors.ts";

/** What the pool needs of {@link PostgresConnection}. */
export type PoolConnection = Pick<PostgresConnection, "isOpen" | "query" | "end" | "destroy">;

export interface PostgresPoolOptions {
  readonly connect: () => PoolConnection;
  /** Largest number of connections. */
  readonly size: number;
  /** Milliseconds after which a server that does not answer counts as gone; longer than its own limit. */
  readonly answerLimitMs: number;
  readonly clock: Clock;
}

type Rows = readonly Record<string, unknown>[];

/** How often, and for how long, a server that has no room for another connection is asked again. */
const ROOM_RETRY_MS = 100;
const ROOM_PATIENCE_MS = 5_000;

interface Waiting {
  readonly grant: () => void;
  readonly refuse: (error: BartenderError) => void;
}

/**
 * Runs single statements on a few connections, at most one at a time on each; more wait in order. A connection that
 * breaks is replaced by the next statement, so that a server that comes back is used at once.
 *
 * All statements must be repeatable: one whose connection is lost is run once more on another connection.
 */
export class PostgresPool {
  readonly #options: PostgresPoolOptions;
  readonly #idle: PoolConnection[] = [];
  readonly #waiting: Waiting[] = [];
  #free: number;
  /** Calls of `run` that have not been answered. */
  #pending = 0;
  #whenIdle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: PostgresPoolOptions) {
    this.#options = options;
    this.#free = options.size;
  }

  /**
   * @throws {StoreUnavailableError} when the server cannot be reached or does not answer in time
   * @throws {BartenderError} when it refuses the statement
   */
  async run(text: string, values: readonly unknown[]): Promise<Rows> {
    if (this.#closed !== undefined) throw new StoreUnavailableError("The job store is closed");
    this.#pending++;
    try {
      return await this.#runRepeatedly(text, values);
    } finally {
      this.#pending--;
      if (this.#pending === 0) this.#whenIdle?.();
    }
  }

  /** Waits for what was asked for, then ends all connections. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#closeOnce();
    return this.#closed;
  }

  async #closeOnce(): Promise<void> {
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    await Promise.all(this.#idle.splice(0).map((connection) => connection.end()));
  }

  async #runRepeatedly(text: string, values: readonly unknown[]): Promise<Rows> {
    const sinceMs = this.#options.clock.monotonicMs();
    let isUnknown = false;
    for (;;) {
      try {
        return await this.#runOnce(text, values);
      } catch (error) {
        const fault = error instanceof StoreUnavailableError ? undefined : statementFault(error);
        if (fault === "unknown" && !isUnknown) {
          isUnknown = true;
          continue;
        }
        if (fault === "no_room" && this.#options.clock.monotonicMs() - sinceMs < ROOM_PATIENCE_MS) {
          await new Promise<void>((retry) => this.#options.clock.after(ROOM_RETRY_MS, retry));
          continue;
        }
        throw asUnknown(postgresStoreError(error), isUnknown);
      }
    }
  }

  async #runOnce(text: string, values: readonly unknown[]): Promise<Rows> {
    await this.#slot();
    try {
      const connection = this.#usable() ?? this.#options.connect();
      return await this.#answerInTime(connection, connection.query(text, values));
    } finally {
      this.#release();
    }
  }

  /** The connection used last, as the server has it at hand; the others stay for when more is to do. */
  #usable(): PoolConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined || connection.isOpen) return connection;
    }
  }

  async #answerInTime(connection: PoolConnection, answer: Promise<Rows>): Promise<Rows> {
    let isTooLate = false;
    const stopWaiting = this.#options.clock.after(this.#options.answerLimitMs, () => {
      isTooLate = true;
      connection.destroy();
    });
    try {
      return await answer;
    } catch (error) {
      if (isTooLate) throw this.#outage(error);
      // Whatever state postgres.js is in after an error of the connection, nothing is built upon it.
      if (statementFault(error) !== "refused" && statementFault(error) !== "passing") connection.destroy();
      if (statementFault(error) === "not_connected") this.#refuseWaiting(postgresStoreError(error));
      throw error;
    } finally {
      stopWaiting();
      if (connection.isOpen) this.#idle.push(connection);
    }
  }

  /** A server that is frozen or cut off: whoever waits for a connection would only wait as long again. */
  #outage(cause: unknown): StoreUnavailableError {
    const text = "The job store is not available: the database server does not answer";
    this.#refuseWaiting(new StoreUnavailableError(text, cause));
    return new StoreUnavailableError(text, cause, true);
  }

  #refuseWaiting(error: BartenderError): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }

  async #slot(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((grant, refuse) => this.#waiting.push({ grant, refuse }));
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next.grant();
  }
}

/** A statement whose first run has an unknown outcome keeps it, whatever became of its repetition. */
function asUnknown(error: BartenderError, isUnknown: boolean): BartenderError {
  return isUnknown && error instanceof StoreUnavailableError && !error.isOutcomeUnknown
    ? new StoreUnavailableError(error.message, error.cause, true)
    : error;
}
