import type { DatabaseSync } from "node:sqlite";

/** Milliseconds that SQLite itself waits for a lock, with the whole thread standing still. */
const BUSY_TIMEOUT_MS = 5;

/** Sets what does not stay in the file: how durable commits are, and how foreign keys and locks are treated. */
export function configureSqlite(database: DatabaseSync): void {
  database.prepare(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`).all();
  // Readers never wait for the writer, and a commit is one write and one sync.
  database.prepare("pragma journal_mode = wal").all();
  // In WAL mode the default would sync at checkpoints only, so that a power cut could take committed jobs away.
  database.prepare("pragma synchronous = full").all();
  database.prepare("pragma foreign_keys = on").all();
}
