import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { incomingFiles } from "../../adapters/file_system/incoming.ts";
import type { ListedEntry, ListedFile } from "../../adapters/file_system/tree_listing.ts";
import { flushTree } from "../../src/files/flush_to_disk.ts";
import { turnTaking } from "../../src/files/turns.ts";
import { noPowerCutDiskBecause, powerCutDisk } from "../support/power_cut_disk.ts";

const skipReason = noPowerCutDiskBecause();
if (skipReason !== undefined) console.warn(`Skipped: ${skipReason}`);

const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `d/e/${n}.txt`);

describe.skipIf(skipReason !== undefined)("a power cut", () => {
  test("takes what nobody flushed, so that these tests can fail", () => {
    using disk = powerCutDisk();
    writeFileSync(join(disk.path, "lost.txt"), "lost");
    expect(disk.afterPowerCut((path) => readdirSync(path))).not.toContain("lost.txt");
  });

  test.each([1, 40, 300])("leaves %d flushed files in their directories", async (count) => {
    using disk = powerCutDisk();
    mkdirSync(join(disk.path, "d/e"), { recursive: true });
    for (const path of numbered(count)) writeFileSync(join(disk.path, path), path);
    await flushTree(disk.path, ["d", "d/e", ...numbered(count)]);
    const left = disk.afterPowerCut((path) => numbered(count).map((name) => readFileSync(join(path, name), "utf8")));
    expect(left).toEqual([...numbered(count)]);
  });

  test("leaves output that was copied back, as its original is removed", async () => {
    using disk = powerCutDisk();
    for (const name of ["incoming", "job"]) mkdirSync(join(disk.path, name));
    const file: ListedFile = {
      type: "file",
      path: "out/r\xe9sum\xe9.txt",
      size: 4,
      mode: 0o644,
      modifiedS: 1_700_000_000,
    };
    const entries: readonly ListedEntry[] = [
      { type: "directory", path: "out", mode: 0o755, modifiedS: 1_700_000_000 },
      file,
      { type: "link", path: "out/link", target: "nowhere", mode: 0o777, modifiedS: 1_700_000_000 },
    ];
    const incoming = incomingFiles(join(disk.path, "incoming"));
    const sink = incoming.open(file);
    sink.write(Buffer.from("text"), 0);
    sink.finish();
    await incoming.publish(join(disk.path, "job"), entries, turnTaking(systemClock())());
    const left = disk.afterPowerCut((path) =>
      readFileSync(Buffer.concat([Buffer.from(`${path}/job/`), Buffer.from(file.path, "latin1")]), "utf8"),
    );
    expect(left).toBe("text");
  });
});
