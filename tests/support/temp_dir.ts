import { randomBytes } from "node:crypto";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A fresh private directory; `using` removes it at the end of the block. */
export interface TempDir extends Disposable {
  /** Absolute, with links resolved. */
  readonly path: string;
}

/** How the paths of all directories of this run begin; of no other run. As short as may be, for the sake of sockets. */
export const TEMP_PREFIX = join(realpathSync(tmpdir()), `bartender-${randomBytes(2).toString("hex")}-`);

export function tempDir(): TempDir {
  const path = mkdtempSync(TEMP_PREFIX);
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
