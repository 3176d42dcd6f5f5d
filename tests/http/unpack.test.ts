import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { turnTaking } from "../../src/files/turns.ts";
import { memorySource } from "../../src/http/byte_source.ts";
import { unpack } from "../../src/http/unpack.ts";
import { readZipIndex } from "../../src/http/zip_index.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { tempDir } from "../support/temp_dir.ts";
import { buildZip } from "../support/zip_builder.ts";

describe("unpacking", () => {
  test("a bomb that announces less than it holds writes no more than it announces", async () => {
    using directory = tempDir();
    const turns = turnTaking(new ManualClock())();
    const source = memorySource(buildZip([{ name: "zeros", content: Buffer.alloc(50_000_000), size: 400_000 }]));
    const limits = { maxUploadBytes: 1e9, maxExpandedBytes: 1e9, maxEntries: 10, maxRatio: 1e6 };
    const index = await readZipIndex(source, limits, turns);
    await expect(unpack(source, index, directory.path, turns)).rejects.toThrow("is damaged");
    expect(statSync(join(directory.path, "zeros")).size).toBeLessThanOrEqual(400_000);
  });
});
