import { closeSync, existsSync, openSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { BartenderError, messageOf } from "../../src/core/errors.ts";
import type { HeldWriterLock, WriterLock, WriterLockAnswer } from "../../src/ports/writer_lock.ts";
import { isBusy } from "../job_store/sqlite_errors.ts";

const UNKNOWN_HOLDER = "another process";

/**
 * A lock on a file, held by an open transaction of SQLite: the system lets go of it when the process ends, however it
 * does. The file stays, since removing it would let two processes hold locks on two files of one name. Readers are
 * not locked out, so that the holder's name can be read.
 *
 * @param path made for its owner only when it is missing; its directory must exist
 */
export function sqliteWriterLock(path: string): WriterLock {
  return {
    tryAcquire: async () => tryAcquire(path),
  };
}

/** For databases that no other process can open. */
export const PRIVATE_LOCK: WriterLock = {
  tryAcquire: async () => ({
    isAcquired: true,
    lock: { lost: new Promise(() => {}), isHeld: true, release: async () => {} },
  }),
};

function tryAcquire(path: string): WriterLockAnswer {
  const database = open(path);
  try {
    database.exec("pragma busy_timeout = 0; create table if not exists holder (name text not null)");
    database.exec("begin immediate; delete from holder");
    const insert = "insert into holder (name) values (? || ' since ' || strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))";
    database.prepare(insert).run(`process ${process.pid} on ${hostname()}`);
    // Committed, so that others can read it; whoever is quicker now takes the lock and writes a name of its own.
    database.exec("commit; begin immediate");
    return { isAcquired: true, lock: held(database) };
  } catch (error) {
    const answer = isBusy(error) ? { isAcquired: false as const, holder: holderOf(database) } : undefined;
    database.close();
    if (answer !== undefined) return answer;
    throw new BartenderError("writer_lock", `Lock file "${path}": ${messageOf(error)}`, { cause: error });
  }
}

function open(path: string): DatabaseSync {
  try {
    // SQLite would make it readable for all. One that is there is not opened: closing it again would drop the locks
    // that this process may have on it.
    if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
    return new DatabaseSync(path);
  } catch (error) {
    throw new BartenderError("writer_lock", `Lock file "${path}": ${messageOf(error)}`, { cause: error });
  }
}

function held(database: DatabaseSync): HeldWriterLock {
  let isHeld = true;
  return {
    lost: new Promise(() => {}),
    get isHeld() {
      return isHeld;
    },
    async release() {
      if (!isHeld) return;
      isHeld = false;
      database.close();
    },
  };
}

function holderOf(database: DatabaseSync): string {
  try {
    return String(database.prepare("select name from holder").get()?.name ?? UNKNOWN_HOLDER);
  } catch {
    // Its first transaction is under way.
    return UNKNOWN_HOLDER;
  }
}
