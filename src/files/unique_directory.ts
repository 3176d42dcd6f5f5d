import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes a private directory with a name that none had before, and none will have: what it was called is still known long
 * after it is gone. The six characters of `mkdtemp(3)` come again among some hundred thousand.
 *
 * @param prefix begins the name
 * @returns its path
 */
export function makeUniqueDirectory(parent: string, prefix: string): string {
  const path = join(parent, `${prefix}${randomUUID()}`);
  mkdirSync(path, { mode: 0o700 });
  return path;
}
