import { sep } from "node:path";

/** True for `directory` and all below. Both paths have to be real ones, without links. */
export function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES", "EPERM", "ENXIO", "EISDIR"];

/** To be used as `.catch(undefinedWhenAbsent)`: what cannot be opened because of what it is does not exist for clients. */
export function undefinedWhenAbsent(error: unknown): undefined {
  if (error instanceof Error && "code" in error && ABSENT.includes(String(error.code))) return undefined;
  throw error;
}
