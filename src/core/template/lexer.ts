import { type TemplatePosition, TemplateSyntaxError } from "./errors.ts";
import { limitInteger } from "./numbers.ts";
import { BLANKS } from "./text.ts";
import { strip } from "./text_operations.ts";

/** A word of the template language. Text outside of tags is one token; comments and raw tags leave none. */
export interface Token {
  readonly type:
    | "text"
    | "output_begin"
    | "output_end"
    | "block_begin"
    | "block_end"
    | "name"
    | "string"
    | "number"
    | "operator"
    | "end";
  /** The text, name or operator as the template means it. */
  readonly text: string;
  readonly number?: bigint | number;
  /** Offsets in the normalised source. */
  readonly start: number;
  readonly end: number;
}

const DIGITS = String.raw`\d+(?:_\d+)*`;
const FLOAT = new RegExp(`(?<!\\.)${DIGITS}(?:(?:\\.${DIGITS})?e[+-]?${DIGITS}|\\.${DIGITS})`, "iy");
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{ID_Continue}]+/uy;
const STRING = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const SPACE = new RegExp(`[${BLANKS}]+`, "y");
const OPENING = new RegExp(`\\{%([-+]?)[${BLANKS}]*raw[${BLANKS}]*(?:-%\\}[${BLANKS}]*|%\\})|\\{([{%#])([-+]?)`, "g");
const RAW_END = new RegExp(`\\{%([-+]?)[${BLANKS}]*endraw[${BLANKS}]*(?:\\+%\\}|-%\\}[${BLANKS}]*|%\\}\\n?)`, "g");
const COMMENT_END = new RegExp(`\\+#\\}|-#\\}[${BLANKS}]*|#\\}\\n?`, "g");
const BLOCK_END = new RegExp(`\\+%\\}|-%\\}[${BLANKS}]*|%\\}\\n?`, "y");
const OUTPUT_END = new RegExp(`-\\}\\}[${BLANKS}]*|\\}\\}`, "y");
const BRACKETS: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]" };

/** A template whose line ends are `\n` and which has lost one final line end, as Jinja2 does first. */
export class TemplateSource {
  readonly text: string;
  constructor(source: string) {
    this.text = source.replace(/\r\n|\r/g, "\n").replace(/\n$/, "");
  }
  position(offset: number): TemplatePosition {
    const lines = this.text.slice(0, offset).split("\n");
    return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
  }
  fault(reason: string, offset: number): TemplateSyntaxError {
    return new TemplateSyntaxError(reason, this.position(offset));
  }
}

/** Splits a template into tokens like Jinja2's lexer with `trim_blocks` and `lstrip_blocks`. */
export function tokenize(source: TemplateSource): readonly Token[] {
  const { text } = source;
  const tokens: Token[] = [];
  let offset = 0;
  // True when the tag before took the line end, so that blanks up to the next tag are at the start of a line.
  let isLineStart = true;

  const addText = (end: number, sign: string, isOutput: boolean) => {
    let data = text.slice(offset, end);
    const lineStart = data.lastIndexOf("\n") + 1;
    if (sign === "-") data = strip(data, "right", undefined);
    else if (
      sign !== "+" &&
      !isOutput &&
      (lineStart > 0 || isLineStart) &&
      strip(data.slice(lineStart), "left", undefined) === ""
    ) {
      data = data.slice(0, lineStart);
    }
    if (data !== "") tokens.push({ type: "text", text: data, start: offset, end });
  };
  const goTo = (end: number) => {
    isLineStart = text[end - 1] === "\n";
    offset = end;
  };

  for (;;) {
    const opening = find(OPENING, text, offset);
    if (!opening) break;
    const [whole, rawSign, kind, sign = rawSign ?? ""] = opening;
    const begin = opening.index;
    addText(begin, sign, kind === "{");
    goTo(begin + whole.length);
    if (kind === "#") {
      const end = find(COMMENT_END, text, offset);
      if (!end) throw source.fault("Missing end of comment tag", begin);
      goTo(end.index + end[0].length);
    } else if (kind === undefined) {
      const end = find(RAW_END, text, offset);
      if (!end) throw source.fault("Missing end of raw directive", begin);
      addText(end.index, end[1] ?? "", false);
      goTo(end.index + end[0].length);
    } else {
      const type = kind === "{" ? "output" : "block";
      tokens.push({ type: `${type}_begin`, text: whole, start: begin, end: offset });
      goTo(readTag(source, offset, tokens, type));
    }
  }
  if (offset < text.length) tokens.push({ type: "text", text: text.slice(offset), start: offset, end: text.length });
  tokens.push({ type: "end", text: "", start: text.length, end: text.length });
  return tokens;
}

function find(pattern: RegExp, text: string, offset: number): RegExpExecArray | null {
  pattern.lastIndex = offset;
  return pattern.exec(text);
}

/** Reads the inside of one tag. @returns the offset behind it */
function readTag(source: TemplateSource, begin: number, tokens: Token[], kind: "output" | "block"): number {
  const { text } = source;
  const open: string[] = [];
  let offset = begin;
  while (offset < text.length) {
    const start = offset;
    const match = (pattern: RegExp): string | undefined => find(pattern, text, start)?.[0];
    const end = open.length === 0 ? match(kind === "output" ? OUTPUT_END : BLOCK_END) : undefined;
    if (end !== undefined) {
      tokens.push({ type: `${kind}_end`, text: end, start, end: start + end.length });
      return start + end.length;
    }
    const space = match(SPACE);
    if (space !== undefined) {
      offset += space.length;
      continue;
    }
    const token = readToken(source, start, match);
    offset = token.end;
    if (token.type === "operator") {
      const closing = BRACKETS[token.text];
      if (closing !== undefined) open.push(closing);
      else if ("})]".includes(token.text)) {
        const expected = open.pop();
        if (expected !== token.text) throw source.fault(`unexpected '${token.text}'`, start);
      }
    }
    tokens.push(token);
  }
  return offset;
}

function readToken(source: TemplateSource, start: number, match: (pattern: RegExp) => string | undefined): Token {
  const float = match(FLOAT);
  if (float !== undefined) {
    const number = Number(float.replaceAll("_", ""));
    if (!Number.isFinite(number)) throw source.fault(`the number ${float} is too large`, start);
    return { type: "number", text: float, number, start, end: start + float.length };
  }
  const integer = match(INTEGER);
  if (integer !== undefined) {
    if (integer.length > 1000) throw source.fault("an integer of more than 1000 digits", start);
    const number = limitInteger(BigInt(integer.replaceAll("_", "").toLowerCase()));
    return { type: "number", text: integer, number, start, end: start + integer.length };
  }
  const name = match(NAME);
  if (name !== undefined) {
    if (!/^[\p{ID_Start}_]/u.test(name) || name.normalize("NFKC") !== name) {
      throw source.fault("Invalid character in identifier", start);
    }
    return { type: "name", text: name, start, end: start + name.length };
  }
  const string = match(STRING);
  if (string !== undefined) {
    return {
      type: "string",
      text: withoutEscapes(source, string.slice(1, -1), start),
      start,
      end: start + string.length,
    };
  }
  const operator = match(OPERATOR);
  if (operator !== undefined) return { type: "operator", text: operator, start, end: start + operator.length };
  throw source.fault(`unexpected char '${String.fromCodePoint(source.text.codePointAt(start) ?? 0)}'`, start);
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** Python's escapes in a text; those that it does not know keep their backslash. */
function withoutEscapes(source: TemplateSource, text: string, offset: number): string {
  return text.replace(/\\([0-7]{1,3}|x..|u.{4}|U.{8}|.)/gsu, (whole, escaped: string) => {
    if (/^[0-7]+$/.test(escaped)) return String.fromCodePoint(Number.parseInt(escaped, 8));
    const short = SHORT_ESCAPES[escaped];
    if (short !== undefined) return short;
    if (/^[xuU]/.test(escaped)) {
      const code = /^.[\da-f]+$/i.test(escaped) ? Number.parseInt(escaped.slice(1), 16) : -1;
      if (code >= 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)) return String.fromCodePoint(code);
      throw source.fault(`the escape "${whole}" in a text`, offset);
    }
    // Python mangles a backslash before such a character, and has its own table of names for \N.
    if (escaped === "N" || /\P{ASCII}/u.test(escaped)) throw source.fault(`the escape "${whole}" in a text`, offset);
    return whole;
  });
}
