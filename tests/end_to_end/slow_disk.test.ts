import { describe, expect, test } from "bun:test";
import { type DaemonProcessOptions, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { noPowerCutDiskBecause, powerCutDisk } from "../support/power_cut_disk.ts";
import { tempDir } from "../support/temp_dir.ts";

const skipReason = noPowerCutDiskBecause();
if (skipReason !== undefined) console.warn(`Skipped: ${skipReason}`);

/** Otherwise a daemon that stands still would keep the disk frozen, and with it all that wants to tidy up. */
const PATIENCE_MS = 20_000;

describe.skipIf(skipReason !== undefined)("a disk of the database that does not answer", () => {
  test.each(["bun", "deno"] satisfies DaemonProcessOptions["runtime"][])(
    "on %s keeps those waiting who write, and nobody else",
    async (runtime) => {
      using disk = powerCutDisk();
      using jobs = tempDir();
      await using daemon = await startDaemon({
        config: `job_root_dir: ${jobs.path}
applications: {wait: {command_template: sleep 600}}
destinations: {local: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}}
`,
        env: { BARTENDER_DB_URL: `sqlite:${disk.path}/bartender.db` },
        runtime,
      });
      const first = await daemon.submitOk("wait", {});
      try {
        await daemon.until(first, "running");
        await using frozen = await disk.freeze();
        let isAnswered = false;
        const submitted = daemon.submit("wait", {}).finally(() => {
          isAnswered = true;
        });
        const get = async (path: string): Promise<number> =>
          (await daemon.call("GET", path, { signal: AbortSignal.timeout(PATIENCE_MS) })).status;
        for (let round = 0; round < 20; round++) {
          expect(await get("/api/health")).toBe(200);
          expect(await get(`/api/job/${first}`)).toBe(200);
          expect(await get("/api/job/")).toBe(200);
        }
        // Whoever shares out requests learns that this daemon takes no jobs now.
        if (runtime === "bun") await eventually("the word", async () => (await get("/api/ready")) === 503);
        expect(isAnswered).toBe(false);
        await frozen.thaw();
        expect((await submitted).headers.get("location")).toEndWith(`/api/job/${first + 1}`);
        expect(await get("/api/ready")).toBe(200);
      } finally {
        await daemon.call("DELETE", `/api/job/${first}`);
      }
    },
  );
});
