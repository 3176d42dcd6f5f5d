import { buildWriterLock } from "../adapters/writer_lock/build.ts";
import { sqliteWriterLock } from "../adapters/writer_lock/sqlite.ts";
import { type DatabaseConfig, describeDatabase } from "./config/database_url.ts";
import { BartenderError, StoreUnavailableError } from "./core/errors.ts";
import type { Clock } from "./ports/clock.ts";
import type { Logger } from "./ports/logger.ts";
import type { HeldWriterLock, WriterLock } from "./ports/writer_lock.ts";

/** Another process writes what this one wants to write. */
export class OtherWriterError extends BartenderError {
  /** Who that is, for people. */
  readonly holder: string;

  constructor(what: string, holder: string) {
    super(
      "other_writer",
      `Another Bartender, ${holder}, uses ${what}. Only one can, and one is enough: it serves all users at the same ` +
        "time. Stop the other one first, or start this one with `serve --standby` to take over when the other one ends",
    );
    this.holder = holder;
  }
}

/** The right to write was lost to another process. */
class WriterLockLostError extends BartenderError {
  constructor(what: string, reason: string) {
    super("writer_lock_lost", `The lock of ${what} is lost: ${reason}. Two Bartenders must not write at the same time`);
  }
}

/** What to do while another process writes. */
export interface Standby {
  /** Told once for each holder that is waited for. */
  readonly onWaiting: (holder: string) => void;
  /** Ends the waiting: the promise rejects with its reason. */
  readonly signal: AbortSignal;
}

export interface HeldLocks {
  /** Resolves when one of the locks is lost, which is when this process must stop writing. Never rejects. */
  readonly lost: Promise<WriterLockLostError>;
  /** False while one of them has to be taken again: until then nothing may be written. */
  areHeld(): boolean;
  /** Idempotent. */
  release(): Promise<void>;
}

/** How often a standby tries. */
const RETRY_MS = 1_000;

/**
 * Takes the locks of the database and of the job root, always in this order, so that two processes never wait for each
 * other. Both are needed: daemons with two databases in one job root would use the same directories for their jobs.
 *
 * @throws {OtherWriterError} when another process has one of them, unless this is a standby
 */
export async function takeWriterLocks(options: {
  readonly database: DatabaseConfig;
  readonly lockFile: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly standby: Standby | undefined;
}): Promise<HeldLocks> {
  const { database, lockFile } = options;
  const wanted: readonly (readonly [string, WriterLock])[] = [
    [`database ${describeDatabase(database)}`, buildWriterLock(database, options)],
    [`the job root of ${lockFile}`, sqliteWriterLock(lockFile)],
  ];
  const held: HeldWriterLock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of held.splice(0).toReversed()) await lock.release();
  };
  const lost: Promise<WriterLockLostError>[] = [];
  try {
    for (const [what, lock] of wanted) {
      const taken = await take(lock, what, options);
      held.push(taken);
      lost.push(taken.lost.then((reason) => new WriterLockLostError(what, reason)));
    }
  } catch (error) {
    await release();
    throw error;
  }
  const all = [...held];
  return { lost: Promise.race(lost), areHeld: () => all.every((lock) => lock.isHeld), release };
}

async function take(
  lock: WriterLock,
  what: string,
  { standby, clock, logger }: { readonly standby: Standby | undefined; readonly clock: Clock; readonly logger: Logger },
): Promise<HeldWriterLock> {
  let lastHolder: string | undefined;
  for (;;) {
    standby?.signal.throwIfAborted();
    try {
      const answer = await lock.tryAcquire();
      if (answer.isAcquired) return answer.lock;
      if (standby === undefined) throw new OtherWriterError(what, answer.holder);
      if (answer.holder !== lastHolder) {
        lastHolder = answer.holder;
        logger.info("Standing by until another Bartender ends", { what, holder: answer.holder });
        standby.onWaiting(answer.holder);
      }
    } catch (error) {
      if (standby === undefined || !(error instanceof StoreUnavailableError)) throw error;
      logger.warn("Standing by; the database cannot be reached", { reason: error.message });
    }
    await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
  }
}
