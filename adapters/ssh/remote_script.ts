import { Buffer } from "node:buffer";
import { Transform, type TransformCallback } from "node:stream";
import { shellQuote } from "../../src/core/shell_quote.ts";

/** Start files of a shell that print more than this before the command are out of order. */
const MAX_PREAMBLE_BYTES = 65_536;

/**
 * A line for the login shell of an account that runs `script` by `/bin/sh` in the same process, whatever the login
 * shell is. To csh a newline and an exclamation mark mean something even between quotes, so they are not sent as such.
 */
export function scriptLine(script: string): string {
  const quoted = /[\n!]/.test(script) ? `eval "$(printf %b "${octal(script)}")"` : script;
  return `exec /bin/sh -c ${shellQuote(quoted)}`;
}

/** All but plain characters as `\0ooo`, the form that `printf %b` understands everywhere. */
function octal(text: string): string {
  const encode = (special: string): string =>
    [...Buffer.from(special)].map((byte) => `\\0${byte.toString(8).padStart(3, "0")}`).join("");
  return text.replaceAll(/[^A-Za-z0-9 _@%+=:,./-]+/g, encode);
}

/** Statement that prints `mark` and `words` on a line of their own. @param words for the shell, e.g. `$$` */
export function markStatement(mark: string, words: string): string {
  return `printf '\\n%s %s\\n' ${mark} ${words}`;
}

/**
 * Lets through what comes after the line that begins with `mark`: what the start files of the login shell print has
 * to be told from the output of the command.
 *
 * @param onMark called with the rest of that line
 */
export function afterMark(mark: string, onMark: (words: string) => void): Transform {
  const start = Buffer.from(`\n${mark} `);
  let held: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  let isPassed = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      if (isPassed) return done(null, chunk);
      held = Buffer.concat([held, chunk]);
      const at = held.indexOf(start);
      const end = at < 0 ? -1 : held.indexOf("\n", at + 1);
      if (end < 0) {
        // The mark may be cut in two.
        if (held.length > MAX_PREAMBLE_BYTES) held = held.subarray(-MAX_PREAMBLE_BYTES / 2);
        return done();
      }
      isPassed = true;
      onMark(held.toString("latin1", at + start.length, end));
      const rest = held.subarray(end + 1);
      held = Buffer.alloc(0);
      return rest.length === 0 ? done() : done(null, rest);
    },
  });
}
