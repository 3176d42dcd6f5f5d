import { chmodSync } from "node:fs";
import { dirname } from "node:path";

const NOBODY = 65_534;

/**
 * Runs `work` with the rights of an ordinary user, as the administrator may read everything. The directories from
 * the temporary one down to `directory` are opened for passing through.
 */
export async function unprivileged<T>(directory: string, work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await work();
  for (let path = directory; path.includes("bartender-"); path = dirname(path)) chmodSync(path, 0o755);
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
