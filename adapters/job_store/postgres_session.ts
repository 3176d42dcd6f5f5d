import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { PostgresPool } from "../postgres/pool.ts";
import type { PreparedQuery } from "./prepared_query.ts";
import type { SqlSession } from "./sql_session.ts";

/**
 * Runs queries on a pool of connections to PostgreSQL. Each is a transaction of its own, on disk when it is answered;
 * the server itself writes those together that are committed at the same time.
 *
 * One whose connection is lost may be run twice, which all queries of the store allow for.
 */
export class PostgresSession implements SqlSession {
  readonly #pool: PostgresPool;
  readonly #mayWrite: () => boolean;

  /** @param mayWrite false while another process may have the right to write */
  constructor(pool: PostgresPool, mayWrite: () => boolean) {
    this.#pool = pool;
    this.#mayWrite = mayWrite;
  }

  async read<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]> {
    return (await this.#pool.run(query.sql, query.bind(params))) as readonly Row[];
  }

  async write<Params, Row>(query: PreparedQuery<Params, Row>, params: Params): Promise<readonly Row[]> {
    if (!this.#mayWrite()) {
      throw new StoreUnavailableError("The job store is not available: the lock of the database has to be taken again");
    }
    return await this.read(query, params);
  }

  /** The pool gives up what is not answered. */
  silentMs(): number {
    return 0;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
