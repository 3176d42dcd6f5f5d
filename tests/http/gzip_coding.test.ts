import { describe, expect, test } from "bun:test";
import { randomFillSync } from "node:crypto";
import { createGunzip, gunzipSync } from "node:zlib";
import { gzipCoded } from "../../src/http/gzip_coding.ts";

async function* from(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces;
}

const bytes = (length: number) => randomFillSync(new Uint8Array(length));

describe("the content coding gzip", () => {
  test.each([
    [[]],
    [[0]],
    [[1]],
    [[0, 0, 5, 0]],
    [[65_534, 65_535, 65_536]],
    [[200_000]],
    [Array.from({ length: 300 }, (_, n) => n)],
  ])("gives back what it was given: %#", async (lengths) => {
    const pieces = lengths.map(bytes);
    const coded = Buffer.concat(await Array.fromAsync(gzipCoded(from(pieces))));
    expect(gunzipSync(coded).equals(Buffer.concat(pieces))).toBe(true);
  });

  test("has bytes for each piece, which are content at once for its reader", async () => {
    const reader = createGunzip();
    let content = "";
    reader.on("data", (data) => {
      content += data;
    });
    const pieces = ["one\n", "", "two\n"].map((text) => new TextEncoder().encode(text));
    const seen: string[] = [];
    for await (const coded of gzipCoded(from(pieces))) {
      expect(coded.length).toBeGreaterThan(0);
      await new Promise((resolve) => reader.write(coded, resolve));
      seen.push(content);
    }
    expect(seen).toEqual(["", "one\n", "one\n", "one\ntwo\n", "one\ntwo\n"]);
  });

  test("that is broken off is no complete file, and ends what it codes", async () => {
    let hasEnded = false;
    async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) yield bytes(10);
      } finally {
        hasEnded = true;
      }
    }
    const coded = gzipCoded(endless());
    const begun: Uint8Array[] = [];
    for await (const piece of coded) {
      if (begun.push(piece) === 3) break;
    }
    expect(() => gunzipSync(Buffer.concat(begun))).toThrow("unexpected end of file");
    expect(hasEnded).toBe(true);
  });
});
