import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon_process.ts";
import { noPowerCutDiskBecause, powerCutDisk } from "../support/power_cut_disk.ts";

const skipReason = noPowerCutDiskBecause();
if (skipReason !== undefined) console.warn(`Skipped: ${skipReason}`);

const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `d/e/${n}.txt`);

describe.skipIf(skipReason !== undefined)("a power cut", () => {
  test.each([1, 300])("leaves all %d files of a job that its user was told of", async (count) => {
    using disk = powerCutDisk();
    // The database is elsewhere, so that its flushes do not help.
    await using daemon = await startDaemon({
      config: `job_root_dir: ${disk.path}/jobs
applications: {wait: {command_template: sleep 600}}
destinations: {local: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}}
limits: {min_free_bytes: 0}
`,
    });
    const files = Object.fromEntries(numbered(count).map((path) => [path, path]));
    // The first one takes the slot.
    const jobs = [await daemon.submitOk("wait", { "any.txt": "" })];
    try {
      const id = await daemon.submitOk("wait", files);
      jobs.unshift(id);
      const left = disk.afterPowerCut((path) =>
        numbered(count).map((name) => readFileSync(join(path, `jobs/${id}`, name), "utf8")),
      );
      expect(left).toEqual([...numbered(count)]);
    } finally {
      // A command would keep the disk in use.
      for (const job of jobs) await daemon.call("DELETE", `/api/job/${job}`);
    }
  });
});
