import { accessSync, constants, mkdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";

/**
 * What to do about a job root that does not exist:
 * - `create`: make it, and insist on being allowed to write;
 * - `require`: a fault;
 * - `accept`: nothing, e.g. to check a file without leaving traces.
 */
export type MissingJobRoot = "create" | "require" | "accept";

export type JobRoot =
  | { readonly isValid: true; readonly path: string }
  | { readonly isValid: false; readonly reason: string };

/** Checks the job root, an absolute path, and resolves links in it. */
export function resolveJobRoot(path: string, missing: MissingJobRoot): JobRoot {
  const shown = JSON.stringify(path);
  try {
    if (missing === "create") {
      // A file in the place of a directory is told below.
      if (statSync(path, { throwIfNoEntry: false }) === undefined) {
        mkdirSync(path, { recursive: true });
      }
    }
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) {
      return missing === "require"
        ? { isValid: false, reason: `file or directory at path ${shown} does not exist` }
        : { isValid: true, path: resolveExisting(path) };
    }
    if (!stat.isDirectory()) {
      return { isValid: false, reason: `path ${shown} does not point to a directory` };
    }
    if (missing === "create") {
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    }
    return { isValid: true, path: realpathSync(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const hint = code === "EROFS" ? "; a service of systemd needs it in ReadWritePaths=" : "";
    return { isValid: false, reason: `directory at path ${shown} cannot be used: ${messageOf(error)}${hint}` };
  }
}

/** Resolves links in the part of `path` that exists. */
function resolveExisting(path: string): string {
  const parent = dirname(path);
  if (parent === path || statSync(path, { throwIfNoEntry: false }) !== undefined) {
    return realpathSync(path);
  }
  return join(resolveExisting(parent), basename(path));
}
