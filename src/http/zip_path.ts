import { Buffer } from "node:buffer";
import { Refusal } from "./refusal.ts";

/** Longest file name that common file systems take, in bytes. */
const MAX_NAME_BYTES = 255;
/** Longest path that Linux takes (`PATH_MAX`), in bytes. */
const MAX_PATH_BYTES = 4096;
/** Characters of a hostile name that a message repeats. */
const MAX_SHOWN = 200;

/** Names in the top directory that belong to the job's own files. */
const RESERVED: readonly string[] = ["stdout.txt", "stderr.txt", "returncode"];

/**
 * Checks the name of an archive entry and brings it to its shortest form: `./a//b` is `a/b`, the top directory is
 * the empty string. Nothing that this returns leads out of the directory that it is joined to.
 *
 * @throws {Refusal} 422 for an absolute name, one with `..` as a part, with backslashes or control characters, for
 *   one that no file system takes, and for names that the job's own files have
 */
export function checkedPath(name: string): string {
  if (name === "") throw refused(name, "has no name");
  if (name.startsWith("/") || /^[A-Za-z]:[\\/]/.test(name)) throw refused(name, "has an absolute path");
  if (name.includes("\\")) throw refused(name, "has a backslash in its name");
  if (hasControlCharacter(name)) throw refused(name, "has a control character in its name");
  if (Buffer.byteLength(name) > MAX_PATH_BYTES) throw refused(name, `has a path of more than ${MAX_PATH_BYTES} bytes`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refused(name, 'has ".." in its path');
  if (parts.some((part) => part.length > MAX_NAME_BYTES / 3 && Buffer.byteLength(part) > MAX_NAME_BYTES)) {
    throw refused(name, `has a name of more than ${MAX_NAME_BYTES} bytes`);
  }
  const [top] = parts;
  if (top !== undefined && RESERVED.includes(top))
    throw refused(name, "has a name that is reserved for the job's output");
  return parts.join("/");
}

/** The refusal of an archive because of one entry. */
export function refused(name: string, reason: string): Refusal {
  const shown = name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name;
  return new Refusal(422, `Archive entry ${JSON.stringify(shown)} ${reason}`);
}

function hasControlCharacter(name: string): boolean {
  for (let at = 0; at < name.length; at += 1) {
    const code = name.charCodeAt(at);
    if (code < 32 || code === 127) return true;
  }
  return false;
}
