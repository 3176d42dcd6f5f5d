import { randomUUID } from "node:crypto";
import { messageOf } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { HeldWriterLock, WriterLock, WriterLockAnswer } from "../../src/ports/writer_lock.ts";
import { PostgresConnection } from "../postgres/connection.ts";
import { postgresOpenError } from "../postgres/errors.ts";
import type { PostgresSettings } from "../postgres/settings.ts";

/** First half of the number of the advisory lock; the second is the schema, as a database may hold several stores. */
const LOCK_CLASS = 0x42_61_72_74;
const SCHEMA = "hashtext(current_schema())";

/** How often a held lock is looked after, and an answer or a lost connection waited for. */
const CHECK_MS = 5_000;
const ANSWER_LIMIT_MS = 5_000;
const RETRY_MS = 1_000;
const UNLOCK_LIMIT_MS = 1_000;

const TRY_LOCK = `select pg_try_advisory_lock(${LOCK_CLASS}, ${SCHEMA}) as locked, pg_backend_pid() as pid`;
const UNLOCK = `select pg_advisory_unlock(${LOCK_CLASS}, ${SCHEMA})`;
/** How often the lock is tried that nobody holds when that is looked up: it was given back in between. */
const TRIES = 5;
const HOLDER = `
  select a.pid, a.application_name as name, host(a.client_addr) as address,
    to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
  from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.granted and l.objsubid = 2 and l.classid = ${LOCK_CLASS}
    and l.objid = (${SCHEMA}::bigint & 4294967295)::oid
    and l.database = (select oid from pg_database where datname = current_database())`;
/** Tells whether somebody else had the lock while nobody was looking. */
const MAKE_TABLE = "create table if not exists bartender_writer (id integer primary key, token text not null)";
const WRITE_TOKEN = `
  insert into bartender_writer (id, token) values (1, $1) on conflict (id) do update set token = excluded.token`;
const READ_TOKEN = "select token from bartender_writer where id = 1";

export interface PostgresWriterLockOptions {
  /** Of the database, for errors; without password. */
  readonly name: string;
  readonly settings: PostgresSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * An advisory lock of a session of its own. When the session ends, the lock is taken again on a new one; it counts as
 * lost only when another process has it or had it in between.
 */
export function postgresWriterLock(options: PostgresWriterLockOptions): WriterLock {
  return {
    async tryAcquire(): Promise<WriterLockAnswer> {
      const lock = new PostgresHeldLock(options);
      try {
        const holder = await lock.acquire();
        return holder === undefined ? { isAcquired: true, lock } : { isAcquired: false, holder };
      } catch (error) {
        await lock.release();
        throw postgresOpenError(options.name, error);
      }
    },
  };
}

class PostgresHeldLock implements HeldWriterLock {
  readonly lost: Promise<string>;
  readonly #options: PostgresWriterLockOptions;
  readonly #token = randomUUID();
  readonly #lose: (reason: string) => void;
  #connection: PostgresConnection | undefined;
  /** Of the session that has or had the lock. */
  #backendPid = 0;
  #isHeld = false;
  #isReleased = false;
  #stopTimer: () => void = () => {};

  constructor(options: PostgresWriterLockOptions) {
    this.#options = options;
    let lose = (_reason: string): void => {};
    this.lost = new Promise((resolve) => {
      lose = resolve;
    });
    this.#lose = lose;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** @returns undefined when the lock is held now, else who has it */
  async acquire(): Promise<string | undefined> {
    const holder = await this.#lock();
    if (holder !== undefined) {
      await this.release();
      return holder;
    }
    await this.#query(MAKE_TABLE);
    await this.#query(WRITE_TOKEN, [this.#token]);
    this.#isHeld = true;
    this.#look(CHECK_MS);
    return undefined;
  }

  async release(): Promise<void> {
    const wasHeld = this.#isHeld;
    this.#isReleased = true;
    this.#isHeld = false;
    this.#stopTimer();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    if (wasHeld) await this.#unlock(connection);
    await connection.end();
  }

  /** The server ends a session some time after it is told to; who comes next must not find the lock taken. */
  async #unlock(connection: PostgresConnection): Promise<void> {
    const stopWaiting = this.#options.clock.after(UNLOCK_LIMIT_MS, () => connection.destroy());
    try {
      await connection.query(UNLOCK, []);
    } catch (error) {
      this.#options.logger.debug("The lock of the database goes with its session", { reason: messageOf(error) });
    } finally {
      stopWaiting();
    }
  }

  /** Takes the lock on a new session. @returns who has it, or undefined */
  async #lock(): Promise<string | undefined> {
    this.#connection?.destroy();
    const connection = new PostgresConnection({
      settings: this.#options.settings,
      statementTimeoutMs: ANSWER_LIMIT_MS,
      onClosed: () => {
        if (this.#connection !== connection) return;
        this.#isHeld = false;
        this.#look(0);
      },
    });
    this.#connection = connection;
    let holder: Readonly<Record<string, unknown>> | undefined;
    for (let tries = 0; tries < TRIES && holder === undefined; tries++) {
      const [row] = await this.#query(TRY_LOCK);
      if (row?.locked === true) {
        this.#backendPid = Number(row.pid);
        return undefined;
      }
      [holder] = await this.#query(HOLDER);
    }
    if (holder === undefined) return "another process";
    if (Number(holder.pid) === this.#backendPid) {
      // Our own last session: the server has not noticed yet that its connection is gone.
      await this.#query("select pg_terminate_backend($1)", [this.#backendPid]);
      throw new Error("the server still has the last session");
    }
    const address = holder.address === null ? "" : ` (${holder.address})`;
    return `${String(holder.name).replace(/^bartender (\d+)/, "process $1")}${address} since ${holder.since}`;
  }

  async #query(text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("the lock was released");
    const stopWaiting = this.#options.clock.after(ANSWER_LIMIT_MS * 2, () => connection.destroy());
    try {
      return await connection.query(text, values);
    } finally {
      stopWaiting();
    }
  }

  #look(delayMs: number): void {
    this.#stopTimer();
    if (!this.#isReleased) this.#stopTimer = this.#options.clock.after(delayMs, () => void this.#check());
  }

  /** Never rejects. */
  async #check(): Promise<void> {
    try {
      const reason = this.#connection?.isOpen === true ? await this.#stillThere() : await this.#takeAgain();
      if (reason === undefined) return this.#look(CHECK_MS);
      await this.release();
      this.#lose(reason);
    } catch (error) {
      if (this.#isReleased) return;
      this.#options.logger.warn("The lock of the database cannot be looked after", { reason: messageOf(error) });
      this.#look(RETRY_MS);
    }
  }

  async #stillThere(): Promise<undefined> {
    await this.#query("select 1 as one");
  }

  /** @returns why the lock is lost, or undefined */
  async #takeAgain(): Promise<string | undefined> {
    const holder = await this.#lock();
    if (holder !== undefined) return `${holder} has taken over the database`;
    const [row] = await this.#query(READ_TOKEN);
    if (row?.token !== this.#token) return "another process had the database meanwhile";
    this.#isHeld = this.#connection?.isOpen === true;
    this.#options.logger.info("The lock of the database was taken again");
    return undefined;
  }
}
