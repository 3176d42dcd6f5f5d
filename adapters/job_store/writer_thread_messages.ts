import { statSync } from "node:fs";
import type { WriteStatement } from "./sqlite_writer.ts";

/** What a thread that writes has to know when it starts. */
export interface WriterThreadData {
  /** Of the database file; absolute. */
  readonly path: string;
  /** {@link identityOf} the file when it was opened. */
  readonly identity: string;
}

/** Run these statements in one transaction, or let go of the database and end. */
export type WriterThreadMessage = readonly WriteStatement[] | "close";

/** Tells a file from another one at the same path. @throws when there is none */
export function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}
