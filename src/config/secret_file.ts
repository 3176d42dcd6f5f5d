import { readFileSync } from "node:fs";
import { messageOf } from "../core/errors.ts";
import { CREDENTIALS } from "./paths.ts";

/** What a file holds, or why it cannot be used; the reason tells nothing of what is in it. */
export type Secret =
  | { readonly isValid: true; readonly value: string }
  | {
      readonly isValid: false;
      readonly reason: string;
      /** Somebody with other rights may well be able to use it. */
      readonly isDenied: boolean;
    };

/** What to do about secrets that cannot be read for want of rights: only who works with them needs them. */
export type DeniedSecrets = "refuse" | "warn";

/** Reads a password from a file of one line, as systemd.exec(5) hands credentials over. @param path absolute */
export function readSecretFile(path: string): Secret {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (path.includes(CREDENTIALS)) {
      // We are not what they are for, or nobody has told systemd that we are.
      const reason =
        "cannot be read: there is no $CREDENTIALS_DIRECTORY; LoadCredential= in a unit of systemd makes one";
      return { isValid: false, reason, isDenied: true };
    }
    const isDenied = (error as NodeJS.ErrnoException).code === "EACCES";
    return { isValid: false, reason: `cannot be read: ${messageOf(error)}`, isDenied };
  }
  try {
    const value = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
    if (/^[^\r\n\0]+$/.test(value)) return { isValid: true, value };
  } catch {
    // Told below, as what is not text is no line either.
  }
  return { isValid: false, reason: `expected one line of text in ${JSON.stringify(path)}`, isDenied: false };
}
