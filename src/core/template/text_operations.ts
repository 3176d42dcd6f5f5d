import { Fault } from "./errors.ts";
import { BLANKS } from "./text.ts";
import { codePoints, limitLength, Tuple, type Value } from "./values.ts";

const LINE_END = new RegExp(`(\\r\\n|[${String.raw`\n-\r\x1c-\x1e\x85\u2028\u2029`}])`);

/** `str.strip`, `lstrip` and `rstrip`: takes away blanks, or any of `characters`. */
export function strip(text: string, sides: "both" | "left" | "right", characters: string | undefined): string {
  const set =
    characters === undefined
      ? BLANKS
      : [...characters].map((character) => `\\u{${character.codePointAt(0)?.toString(16)}}`).join("");
  if (set === "") return text;
  const stripped = sides === "right" ? text : text.replace(new RegExp(`^[${set}]+`, "u"), "");
  if (sides === "left") return stripped;
  // A pattern that is anchored at the end would try again from every blank inside.
  const blank = new RegExp(`^[${set}]$`, "u");
  const parts = Array.from(stripped);
  let end = parts.length;
  while (end > 0 && blank.test(parts[end - 1] ?? "")) end--;
  return parts.slice(0, end).join("");
}

/** `str.splitlines()`. */
export function splitLines(text: string, keepEnds = false): string[] {
  const parts = text.split(LINE_END);
  const lines: string[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const [line = "", end] = [parts[index], parts[index + 1]];
    if (end === undefined && line === "") break;
    lines.push(keepEnds ? line + (end ?? "") : line);
  }
  return lines;
}

/** `str.capitalize()`. */
export function capitalize(text: string): string {
  if (text.includes("Σ")) throw new Fault("capitalize of a text with the letter Σ");
  const [first = ""] = text;
  return titleCharacter(first) + text.slice(first.length).toLowerCase();
}

/** `str.title()`, which is not the filter `title`. */
export function titleWords(text: string): string {
  if (text.includes("Σ")) throw new Fault("title() of a text with the letter Σ");
  let isInWord = false;
  let result = "";
  for (const character of text) {
    result += isInWord ? character.toLowerCase() : titleCharacter(character);
    isInWord = /\p{Cased}/u.test(character);
  }
  return result;
}

/** A few characters have a title case besides the upper case, which JavaScript does not know. */
function titleCharacter(character: string): string {
  const upper = character.toUpperCase();
  if (Array.from(upper).length > 1 || /[\u01c4-\u01cc\u01f1-\u01f3\u10d0-\u10ff]/.test(character)) {
    throw new Fault(`the title case of "${character}"`);
  }
  return upper;
}

/** CPython's share of blanks to the left of a centred text. */
export function centered(missing: number, width: number): number {
  return Math.floor(missing / 2) + (missing & width & 1);
}

/** Fills `self` up to `width` characters; `share` tells how many of the missing ones go to the left. */
export function padded(
  self: string,
  width: number,
  fill: string,
  share: (missing: number, width: number) => number,
): string {
  if (codePoints(fill).length !== 1) throw new Fault("The fill character must be exactly one character long");
  const missing = width - codePoints(self).length;
  if (missing <= 0) return self;
  limitLength(width);
  const left = share(missing, width);
  return fill.repeat(left) + self + fill.repeat(missing - left);
}

/** `str.replace`; a negative count replaces all. */
export function replaceText(self: string, old: string, next: string, count: number): string {
  if (old === "") {
    const characters = [...self];
    const most = count < 0 ? characters.length + 1 : count;
    limitLength(self.length + next.length * Math.min(most, characters.length + 1));
    return (
      characters.map((character, index) => (index < most ? next : "") + character).join("") +
      (characters.length < most ? next : "")
    );
  }
  const parts = self.split(old);
  const most = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1);
  limitLength(self.length + next.length * most);
  return [parts.slice(0, most + 1).join(next), ...parts.slice(most + 1)].join(old);
}

/** `str.split` and `str.rsplit`; without a separator at blanks, with a negative `most` at all places. */
export function split(self: string, separator: string | undefined, most: number, fromRight: boolean): Value[] {
  if (separator === "") throw new Fault("empty separator");
  if (separator === undefined) return splitAtBlanks(self, most, fromRight);
  const parts = self.split(separator);
  if (most < 0 || parts.length - 1 <= most) return parts;
  return fromRight
    ? [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)]
    : [...parts.slice(0, most), parts.slice(most).join(separator)];
}

function splitAtBlanks(self: string, most: number, fromRight: boolean): Value[] {
  const words = [...self.matchAll(new RegExp(`[^${BLANKS}]+`, "g"))];
  if (most < 0 || words.length <= most) return words.map(([word]) => word);
  if (fromRight) {
    const kept = words.slice(words.length - most).map(([word]) => word);
    const rest = self.slice(0, words[words.length - most]?.index ?? self.length);
    return [strip(rest, "right", undefined), ...kept];
  }
  return [...words.slice(0, most).map(([word]) => word), self.slice(words[most]?.index)];
}

/** `str.partition` and `str.rpartition`, told where the separator was found. */
export function partition(self: string, separator: string, index: number, fromRight: boolean): Value {
  if (separator === "") throw new Fault("empty separator");
  if (index < 0) return new Tuple(fromRight ? ["", "", self] : [self, "", ""]);
  return new Tuple([self.slice(0, index), separator, self.slice(index + separator.length)]);
}

/** `str.islower()`. */
export function isLower(self: string): boolean {
  return /\p{Lowercase}/u.test(self) && !/[\p{Uppercase}\p{Lt}]/u.test(self);
}

/** `str.isupper()`. */
export function isUpper(self: string): boolean {
  return /\p{Uppercase}/u.test(self) && !/[\p{Lowercase}\p{Lt}]/u.test(self);
}
