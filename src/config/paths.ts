import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/**
 * Makes a path of the configuration absolute: `~` and `~/x` are in the home directory, others relative to
 * `workingDirectory`.
 */
export function absolutePath(path: string, workingDirectory: string): string {
  if (path === "~" || path.startsWith("~/")) {
    return join(homedir(), path.slice(1));
  }
  return isAbsolute(path) ? resolve(path) : resolve(workingDirectory, path);
}
