import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { Spool } from "../../src/http/spool.ts";
import { tempDir } from "../support/temp_dir.ts";

describe("a spool", () => {
  test("gives back what was written, in memory or on disk, by views and by streams", async () => {
    using directory = tempDir();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 200_000 }), { maxLength: 12 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (sizes, place) => {
          const chunks = sizes.map((size, at) => Buffer.alloc(size, `chunk ${at} of ${size};`));
          const whole = Buffer.concat(chunks);
          const spool = new Spool(directory.path);
          for (const chunk of chunks) {
            await spool.write(chunk);
            // The spool has its own copy.
            chunk.fill("x");
          }
          expect(spool.size).toBe(whole.length);
          const source = await spool.finish();
          expect(source.size).toBe(whole.length);
          const start = Math.floor(place * whole.length);
          const length = Math.min(1000, whole.length - start);
          expect(source.view(start, length).equals(whole.subarray(start, start + length))).toBe(true);
          const streamed: Buffer[] = [];
          for await (const piece of source.stream(start, whole.length - start)) streamed.push(piece);
          expect(Buffer.concat(streamed).equals(whole.subarray(start))).toBe(true);
          const brief: Buffer[] = [];
          for await (const piece of source.stream(start, whole.length - start, true)) brief.push(Buffer.from(piece));
          expect(Buffer.concat(brief).equals(whole.subarray(start))).toBe(true);
          await spool.close();
        },
      ),
      { numRuns: 40 },
    );
    expect(readdirSync(directory.path)).toEqual([]);
  });

  test("has no name on disk, not even while it is in use", async () => {
    using directory = tempDir();
    const spool = new Spool(directory.path);
    await spool.write(Buffer.alloc(1_000_000));
    expect(readdirSync(directory.path)).toEqual([]);
    await spool.close();
    await spool.close();
  });

  test("refuses to look behind its end", async () => {
    using directory = tempDir();
    for (const size of [10, 1_000_000]) {
      const spool = new Spool(directory.path);
      await spool.write(Buffer.alloc(size));
      const source = await spool.finish();
      expect(() => source.view(size - 5, 6)).toThrow(RangeError);
      expect(() => source.view(-1, 1)).toThrow(RangeError);
      await spool.close();
    }
  });
});
