/** Where and why a text is no JSON (RFC 8259). */
export interface JsonFault {
  readonly msg: string;
  /** Offset in code points, from 0. */
  readonly pos: number;
  /** From 1. */
  readonly lineno: number;
  /** From 1. */
  readonly colno: number;
}

type Expected = "value" | "first_value" | "first_key" | "key" | "separator";

const BLANKS = /[ \t\n\r]*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const COLON = /[ \t\n\r]*:/y;

/**
 * Finds the first fault of a text that `JSON.parse` refused, whose own messages differ between runtimes. The
 * wording is that of Python's `json.JSONDecodeError`, which clients know.
 */
export function findJsonFault(text: string): JsonFault {
  const fault = scan(text);
  const before = text.slice(0, fault.at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return {
    msg: fault.msg,
    pos: codePoints(before),
    lineno: before.split("\n").length,
    colno: codePoints(before.slice(lineStart)) + 1,
  };
}

interface Found {
  readonly msg: string;
  /** Offset in UTF-16 units. */
  readonly at: number;
}

/** Walks over values with a stack of its own, so that deep nesting cannot exhaust the call stack. */
function scan(text: string): Found {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let at = 0;
  while (true) {
    at = end(BLANKS, text, at) ?? at;
    const char = text[at];
    if (expected === "separator") {
      const inside = open.at(-1);
      if (inside === undefined) return { msg: "Extra data", at };
      if (char === (inside === "{" ? "}" : "]")) open.pop();
      else if (char === ",") expected = inside === "{" ? "key" : "value";
      else return { msg: "Expecting ',' delimiter", at };
      at += 1;
      continue;
    }
    if (expected === "first_key" || expected === "key") {
      if (char === "}" && expected === "first_key") {
        open.pop();
        at += 1;
        expected = "separator";
        continue;
      }
      if (char !== '"') return { msg: "Expecting property name enclosed in double quotes", at };
      const key = scanString(text, at);
      if (typeof key !== "number") return key;
      const colon = end(COLON, text, key);
      if (colon === undefined) return { msg: "Expecting ':' delimiter", at: end(BLANKS, text, key) ?? key };
      at = colon;
      expected = "value";
      continue;
    }
    if (char === "]" && expected === "first_value") {
      open.pop();
      at += 1;
      expected = "separator";
    } else if (char === "{" || char === "[") {
      open.push(char);
      at += 1;
      expected = char === "{" ? "first_key" : "first_value";
    } else {
      const next = char === '"' ? scanString(text, at) : end(SCALAR, text, at);
      if (next === undefined) return { msg: "Expecting value", at };
      if (typeof next !== "number") return next;
      at = next;
      expected = "separator";
    }
  }
}

/** @returns the offset behind the closing quote, or what is wrong with the string */
function scanString(text: string, start: number): number | Found {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"') return at + 1;
    if (char < " ") return { msg: "Invalid control character at", at };
    if (char !== "\\") continue;
    at += 1;
    if (text[at] === "u") {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5))) return { msg: "Invalid \\uXXXX escape", at };
      at += 4;
    } else if (at < text.length && !'"\\/bfnrt'.includes(text.charAt(at))) {
      return { msg: "Invalid \\escape", at: at - 1 };
    }
  }
  return { msg: "Unterminated string starting at", at: start };
}

/** Offset behind a match at `at`, or undefined. */
function end(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
