import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { shellQuote } from "../../src/core/shell_quote.ts";

/** A small generator of pseudo-random numbers below `limit` (mulberry32), the same for the same seed. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

describe("shellQuote", () => {
  test("leaves text of safe characters bare", () => {
    const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    expect(shellQuote(safe)).toBe(safe);
  });

  test("puts every other character into single quotes", () => {
    for (let code = 1; code < 0x250; code++) {
      const character = String.fromCharCode(code);
      const isSafe = /[A-Za-z0-9_@%+=:,./-]/.test(character);
      const quoted = character === "'" ? `''"'"''` : `'${character}'`;
      expect(shellQuote(character)).toBe(isSafe ? character : quoted);
    }
  });

  test("writes empty text as two quotes", () => {
    expect(shellQuote("")).toBe("''");
  });

  test("writes a quote as Python's shlex does", () => {
    expect(shellQuote("b'c")).toBe(`'b'"'"'c'`);
    expect(shellQuote("''")).toBe(`''"'"''"'"''`);
  });

  test("refuses NUL, which no argument can hold", () => {
    expect(() => shellQuote("a\0b")).toThrow(RangeError);
  });

  test("gives words that a real shell reads back unchanged", () => {
    const seed = Number(process.env.SEED ?? 20_260_101);
    const next = numbers(seed);
    const alphabet = [..."ab '\"\\$`!*?[]{}()<>|&;#~=\n\t\r%-é☃😀"];
    const texts = Array.from({ length: 500 }, () =>
      Array.from({ length: next(12) }, () => alphabet[next(alphabet.length)]).join(""),
    );
    const { stdout } = spawnSync("/bin/sh", ["-c", `printf '%s\\0' ${texts.map(shellQuote).join(" ")}`]);
    const read = stdout.toString("utf8").split("\0").slice(0, -1);
    const wrong = texts.findIndex((text, index) => read[index] !== text);
    expect({ seed, count: read.length, wrong: texts[wrong] }).toEqual({ seed, count: texts.length, wrong: undefined });
  });
});
