import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { RUN_SCRIPT } from "../../../adapters/scheduler/run_script.ts";
import { eventually } from "../../support/eventually.ts";
import { noSmallDiskBecause, smallDisk } from "../../support/small_disk.ts";

const SHELLS = [["/bin/sh"], ["/bin/dash"], ["/bin/bash"], ["/bin/busybox", "sh"]].filter(([program = ""]) =>
  existsSync(program),
);

const skipReason = noSmallDiskBecause();
if (skipReason !== undefined) console.warn(`Skipped: ${skipReason}`);

/** Leaves not a byte for others, and ends as it was told. */
const FILL = "cat /dev/zero >filler 2>/dev/null;";

function world([program = "", ...first]: readonly string[], command: string) {
  const disk = smallDisk(1_000_000);
  const [job, record] = [join(disk.path, "job"), join(disk.path, "record")];
  mkdirSync(job);
  const child = spawn(program, [...first, "-c", RUN_SCRIPT, "sh", record, "{}", "/bin/sh", "-c", "--", command], {
    cwd: job,
    stdio: "ignore",
    env: { PATH: process.env.PATH ?? "" },
  });
  return {
    child,
    read: (name: string) => readFileSync(join(job, name), "utf8"),
    record: () => readFileSync(record, "utf8").trimEnd().split("\n"),
    ended: new Promise<number | null>((resolve) => child.once("exit", resolve)),
    untilStuck: () =>
      eventually("an empty returncode", () => {
        const path = join(job, "returncode");
        return existsSync(path) && statSync(path).size === 0;
      }),
    makeSpace: () => rmSync(join(job, "filler")),
    [Symbol.dispose]() {
      child.kill("SIGKILL");
      disk[Symbol.dispose]();
    },
  };
}

for (const shell of SHELLS) {
  describe.skipIf(skipReason !== undefined)(`on a full disk the script in ${shell.join(" ")}`, () => {
    test.each([0, 7])("keeps the status %d of its command until there is space to write it down", async (status) => {
      using here = world(shell, `echo hello; ${FILL} exit ${status}`);
      await here.untilStuck();
      expect(here.child.exitCode).toBeNull();
      here.makeSpace();
      expect(await here.ended).toBe(status === 0 ? 0 : 1);
      expect(here.read("returncode")).toBe(`${status}`);
      expect(here.read("stdout.txt")).toBe("hello\n");
      expect(here.read("stderr.txt")).toBe("");
      expect(here.record().at(-1)).toBe(`{"returnCode":${status}}`);
    });

    test("does not wait for space when it is asked to end", async () => {
      using here = world(shell, FILL);
      await here.untilStuck();
      here.child.kill("SIGTERM");
      expect(await here.ended).toBe(3);
      expect(here.record().at(-1)).not.toStartWith("{");
    });
  });
}
