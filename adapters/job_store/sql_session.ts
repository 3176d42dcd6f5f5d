import type { PreparedQuery } from "./prepared_query.ts";

/**
 * Runs prepared queries on one database, whatever its kind.
 *
 * Both throw {@link StoreUnavailableError} when the database cannot be reached, is busy or full, or was closed.
 */
export interface SqlSession {
  /** Sees everything that was committed before the call. */
  read<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]>;
  /**
   * Runs one writing statement. Resolves once it is on disk; a statement that fails changes nothing and fails
   * alone.
   *
   * @returns what the statement returns, one row per row written
   */
  write<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]>;
  /** For how long writes have been waiting without an answer to any of them, in milliseconds; 0 when none waits. */
  silentMs(): number;
  /** Finishes the writes asked for, then lets go. Idempotent. */
  close(): Promise<void>;
}
