import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { incomingFiles } from "../../../adapters/file_system/incoming.ts";
import { unpackTar } from "../../../adapters/file_system/unpack_tar.ts";
import { TransferError } from "../../../src/core/errors.ts";
import { turnTaking } from "../../../src/files/turns.ts";
import { tempDir } from "../../support/temp_dir.ts";

/** Directories of a job at a node and here. */
function setup() {
  const dir = tempDir();
  const at = (name: string): string => join(dir.path, name);
  for (const name of ["node", "job"]) mkdirSync(at(name));
  const skipped: string[] = [];
  return {
    ...{ at, skipped, node: at("node"), job: at("job"), archive: at("output.tar") },
    /** Packs as the script of a job does. */
    pack(names: readonly string[], ...options: readonly string[]): void {
      const args = ["-cf", at("output.tar"), "--format=gnu", "--no-recursion", "-C", at("node"), ...options];
      execFileSync("tar", [...args, "-T", "-"], { input: names.join("\n") });
    },
    async unpack(): Promise<void> {
      const incoming = incomingFiles(at("incoming"));
      try {
        const entries = await unpackTar(at("output.tar"), incoming, (path) => skipped.push(path));
        await incoming.publish(at("job"), entries, turnTaking(systemClock())());
      } finally {
        incoming.close();
        incoming.discard();
      }
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

describe("the output of a job", () => {
  test("is put beside what is there, with its permissions and times", async () => {
    using t = setup();
    mkdirSync(join(t.node, "out", "deep"), { recursive: true });
    writeFileSync(join(t.node, "out", "deep", "result"), "42");
    writeFileSync(join(t.node, "run.sh"), "#!/bin/sh\n");
    chmodSync(join(t.node, "run.sh"), 0o4755);
    utimesSync(join(t.node, "run.sh"), 1_000_000, 1_000_000);
    symlinkSync("deep/result", join(t.node, "out", "link"));
    writeFileSync(join(t.job, "input.txt"), "input");
    writeFileSync(join(t.job, "run.sh"), "old");
    t.pack(["./out", "./out/deep", "./out/deep/result", "./out/link", "./run.sh"]);
    await t.unpack();
    expect(readFileSync(join(t.job, "out", "link"), "utf8")).toBe("42");
    expect(readFileSync(join(t.job, "input.txt"), "utf8")).toBe("input");
    const { mode, mtimeMs } = statSync(join(t.job, "run.sh"));
    expect([mode & 0o7777, mtimeMs]).toEqual([0o755, 1_000_000_000]);
    expect(readFileSync(join(t.job, "run.sh"), "utf8")).toBe("#!/bin/sh\n");
    expect(existsSync(t.at("incoming"))).toBe(false);
  });

  test("need not have in it the directories that its files are in", async () => {
    using t = setup();
    mkdirSync(join(t.node, "a", "b"), { recursive: true });
    writeFileSync(join(t.node, "a", "b", "c"), "c");
    mkdirSync(join(t.job, "a"), { mode: 0o750 });
    t.pack(["./a/b/c"]);
    await t.unpack();
    expect(readFileSync(join(t.job, "a", "b", "c"), "utf8")).toBe("c");
    expect(statSync(join(t.job, "a")).mode & 0o777).toBe(0o750);
  });

  test("may be nothing at all, or have names of any bytes and length, and times before 1970", async () => {
    using t = setup();
    t.pack([]);
    await t.unpack();
    const long = "n".repeat(200);
    writeFileSync(join(t.node, long), "long");
    writeFileSync(Buffer.from(`${t.node}/\xe9\xff`, "latin1"), "odd");
    execFileSync("touch", ["-d", "@-1000", join(t.node, long)]);
    symlinkSync(`${long}`, join(t.node, "to-long"));
    execFileSync("tar", ["-cf", t.archive, "--format=gnu", "-C", t.node, "."]);
    await t.unpack();
    expect(readFileSync(join(t.job, "to-long"), "utf8")).toBe("long");
    expect(readFileSync(Buffer.from(`${t.job}/\xe9\xff`, "latin1"), "utf8")).toBe("odd");
  });

  test("leaves out links that lead out of the directory, and says so", async () => {
    using t = setup();
    mkdirSync(join(t.node, "d"));
    symlinkSync("/etc/passwd", join(t.node, "absolute"));
    symlinkSync("../../outside", join(t.node, "d", "up"));
    symlinkSync("../kept", join(t.node, "d", "inside"));
    t.pack(["./absolute", "./d", "./d/up", "./d/inside"]);
    await t.unpack();
    expect(t.skipped.toSorted()).toEqual(["absolute", "d/up"]);
    expect(lstatSync(join(t.job, "absolute"), { throwIfNoEntry: false })).toBeUndefined();
    expect(readlinkSync(join(t.job, "d", "inside"))).toBe("../kept");
  });

  test("never goes through a link that is in the directory already", async () => {
    using t = setup();
    mkdirSync(t.at("outside"));
    symlinkSync(t.at("outside"), join(t.job, "d"));
    mkdirSync(join(t.node, "d"));
    writeFileSync(join(t.node, "d", "file"), "stays inside");
    t.pack(["./d/file"]);
    await t.unpack();
    expect(existsSync(join(t.at("outside"), "file"))).toBe(false);
    expect(readFileSync(join(t.job, "d", "file"), "utf8")).toBe("stays inside");
  });
});

describe("what no honest job packs is refused, and nothing of it is left", () => {
  const refusals: readonly (readonly [string, (t: ReturnType<typeof setup>) => void])[] = [
    [
      "a name with ..",
      (t) => {
        writeFileSync(t.at("outside"), "x");
        t.pack(["../outside"], "-P");
      },
    ],
    ["an absolute name", (t) => t.pack(["/etc/hostname"], "-P")],
    [
      "a device or pipe",
      (t) => {
        execFileSync("mkfifo", [join(t.node, "pipe")]);
        t.pack(["./pipe"]);
      },
    ],
    [
      "a hard link",
      (t) => {
        writeFileSync(join(t.node, "a"), "a");
        linkSync(join(t.node, "a"), join(t.node, "b"));
        t.pack(["./a", "./b"]);
      },
    ],
    [
      "a file below a link",
      (t) => {
        mkdirSync(join(t.node, "real"));
        writeFileSync(join(t.node, "real", "file"), "x");
        symlinkSync("real", join(t.node, "link"));
        t.pack(["./link", "./link/file"]);
      },
    ],
    [
      "an archive that breaks off",
      (t) => {
        writeFileSync(join(t.node, "large"), "x".repeat(50_000));
        t.pack(["./large"]);
        writeFileSync(t.archive, readFileSync(t.archive).subarray(0, 20_000));
      },
    ],
    ["what is no archive", (t) => writeFileSync(t.archive, "<html>Service unavailable</html>".repeat(100))],
  ];
  for (const [what, plant] of refusals) {
    test(what, async () => {
      using t = setup();
      plant(t);
      const error = await t.unpack().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TransferError);
      expect(error).toMatchObject({ retryable: false });
      expect(String(error)).toContain("The archive with the output of the job");
      expect(execFileSync("find", [t.job, "-mindepth", "1"], { encoding: "utf8" })).toBe("");
      expect(existsSync(t.at("incoming"))).toBe(false);
    });
  }
});
