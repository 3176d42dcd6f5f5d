const SAFE = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * Makes `text` one word of a POSIX shell line, exactly like Python's `shlex.quote`: text of ASCII letters, digits and
 * `_@%+=:,./-` stays bare, all else goes into single quotes, and empty text becomes `''`.
 *
 * @throws {RangeError} when `text` contains NUL, which no argument of a program can hold
 */
export function shellQuote(text: string): string {
  if (SAFE.test(text)) return text;
  if (text.includes("\0")) throw new RangeError("Text with a NUL character cannot be an argument of a command");
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
