import { homedir } from "node:os";
import { join } from "node:path";

/** Variables for a process whose home directory is one of the test's own; Bun keeps what it has translated where it was. */
export function privateHome(path: string): Readonly<Record<string, string>> {
  const cache = process.env.BUN_RUNTIME_TRANSPILER_CACHE_PATH ?? join(homedir(), ".bun/install/cache/@t@");
  return { HOME: path, BUN_RUNTIME_TRANSPILER_CACHE_PATH: cache };
}
