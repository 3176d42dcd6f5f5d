import type { DatabaseSync, StatementSync } from "node:sqlite";
import { describeSqliteError, faultOf, type SqliteFault } from "./sqlite_errors.ts";
import type { SqliteValue } from "./sqlite_value.ts";

/** A statement that writes, and the values of its placeholders in their order. */
export interface WriteStatement {
  readonly sql: string;
  readonly values: readonly SqliteValue[];
}

/** What became of one statement of a transaction that was committed. */
export type StatementAnswer = { readonly rows: readonly unknown[] } | { readonly fault: SqliteFault };

/** What became of a transaction. Made of plain values, so that it gets from one thread to another. */
export type BatchAnswer =
  /** On disk, but for the statements that have a fault: those changed nothing. */
  | { readonly type: "committed"; readonly answers: readonly StatementAnswer[] }
  /** Nothing was done. */
  | { readonly type: "not_begun"; readonly fault: SqliteFault }
  /** Nobody knows whether it will be there when the disk is read again. */
  | { readonly type: "given_up"; readonly fault: SqliteFault; readonly undoFault: SqliteFault | undefined };

/** Commits statements together. Only asked for the next transaction when it has answered. */
export interface BatchWriter {
  /** @throws when there is no telling what became of the transaction */
  run(batch: readonly WriteStatement[]): Promise<BatchAnswer>;
  /** Lets go of what it has for itself. */
  close(): Promise<void>;
}

/** Runs transactions on a `node:sqlite` database, which is synchronous: the thread waits for the disk. */
export class SqliteWriter {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#begin = database.prepare("begin immediate");
    this.#commit = database.prepare("commit");
    this.#rollback = database.prepare("rollback");
  }

  /** Runs the statements in their order, in one transaction. Never throws. */
  run(batch: readonly WriteStatement[]): BatchAnswer {
    try {
      // What could not be undone after an earlier failure.
      this.#rollBack();
      this.#begin.run();
    } catch (error) {
      return { type: "not_begun", fault: faultOf(error) };
    }
    try {
      const answers = batch.map((statement) => this.#execute(statement));
      this.#commit.run();
      return { type: "committed", answers };
    } catch (error) {
      return { type: "given_up", fault: faultOf(error), undoFault: this.#undo() };
    }
  }

  /** @throws when the disk is full or the like: SQLite advises to give the whole transaction up, or did so already */
  #execute({ sql, values }: WriteStatement): StatementAnswer {
    try {
      return { rows: this.#statement(sql).all(...values) };
    } catch (error) {
      if (describeSqliteError(error) !== undefined || !this.#database.isTransaction) throw error;
      return { fault: faultOf(error) };
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #undo(): SqliteFault | undefined {
    try {
      this.#rollBack();
      return undefined;
    } catch (error) {
      // Tried again before the next transaction; until then nothing can be written.
      return faultOf(error);
    }
  }

  #rollBack(): void {
    if (this.#database.isTransaction) this.#rollback.run();
  }
}

/** Commits on the caller's own thread, which stands still meanwhile, on a connection that others close. */
export function writerInPlace(database: DatabaseSync): BatchWriter {
  const writer = new SqliteWriter(database);
  return { run: async (batch) => writer.run(batch), close: async () => {} };
}
