import { afterAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { TransferError } from "../../../src/core/errors.ts";
import { jobId } from "../../../src/core/ids.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { sshAccount } from "../../support/ssh_server.ts";
import { NO_SHELL, type SftpWorldOptions, sftpJobWorld } from "./sftp_world.ts";

const signal = new AbortController().signal;
const account = sshAccount();
afterAll(() => account[Symbol.dispose]());

const open = (options: Partial<SftpWorldOptions> = {}) => sftpJobWorld({ account, ...options });

const identity = (path: string): string => {
  const { ino, ctimeNs } = lstatSync(path, { bigint: true });
  return `${ino} ${ctimeNs}`;
};
const sha = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

for (const [name, settings] of [
  ["with a shell", []],
  ["without a shell", [NO_SHELL]],
] as const) {
  describe(`copies ${name}`, () => {
    test("nothing is sent again when the copy was published before", async () => {
      await using world = await open({ settings });
      writeFileSync(join(world.local, "in"), "1");
      await world.upload();
      const before = identity(join(world.remote, "in"));
      await world.upload();
      expect(identity(join(world.remote, "in"))).toBe(before);
      expect(readdirSync(world.server.entry)).toEqual(["17"]);
    });

    test("tell how many bytes were moved, and nothing when nothing had to be", async () => {
      const told: string[] = [];
      const onCopied = (direction: string, bytes: number) => void told.push(`${direction} ${bytes}`);
      await using world = await open({ settings, changes: { onCopied } });
      writeFileSync(join(world.local, "in"), "1234567");
      await world.upload();
      await world.upload();
      writeFileSync(join(world.remote, "out"), "123");
      await world.download();
      expect(told).toEqual(["in 7", "out 3"]);
    });

    test("files that an earlier try sent whole are not sent again, broken ones are", async () => {
      await using world = await open({ settings });
      for (const file of ["whole", "broken"]) writeFileSync(join(world.local, file), "content");
      await world.upload();
      const part = join(world.server.entry, ".17.part");
      execFileSync("mv", [world.remote, part]);
      const before = identity(join(part, "whole"));
      writeFileSync(join(part, "broken"), "conte");
      await world.upload();
      expect(identity(join(world.remote, "whole")).split(" ")[0]).toBe(before.split(" ")[0] ?? "");
      expect(readFileSync(join(world.remote, "broken"), "utf8")).toBe("content");
    });

    test("what another job left under the same name is not mixed in", async () => {
      await using world = await open({ settings });
      writeFileSync(join(world.local, "in"), "1");
      const part = join(world.server.entry, ".17.part");
      mkdirSync(join(part, "stranger"), { recursive: true });
      execFileSync("chown", ["-R", `${account.uid}:${account.gid}`, part]);
      await world.upload();
      expect(readdirSync(world.remote)).toEqual(["in"]);
    });

    test("a directory that is no copy of the job is left alone, with a reason", async () => {
      await using world = await open({ settings });
      writeFileSync(join(world.local, "in"), "1");
      await world.writeRemote(world.server.entry, "17/other", "precious");
      const fault = await rejectionOf(world.upload());
      expect(fault).toBeInstanceOf(TransferError);
      expect(fault).toMatchObject({ retryable: false });
      expect(String(fault)).toContain("exists already");
      expect(readFileSync(join(world.remote, "other"), "utf8")).toBe("precious");
    });

    test("what the job did not touch does not come back, and what it changed does, however alike it looks", async () => {
      await using world = await open({ settings });
      for (const file of ["same", "changed"]) writeFileSync(join(world.local, file), "12345");
      await world.upload();
      const before = identity(join(world.local, "same"));
      writeFileSync(join(world.remote, "changed"), "54321");
      const { atimeMs, mtimeMs } = statSync(join(world.local, "changed"));
      utimesSync(join(world.remote, "changed"), atimeMs / 1000, mtimeMs / 1000);
      await world.download();
      expect(identity(join(world.local, "same"))).toBe(before);
      expect(readFileSync(join(world.local, "changed"), "utf8")).toBe("54321");
    });

    test("logs and return code come back even when they look like their copies", async () => {
      await using world = await open({ settings });
      const files = ["stdout.txt", "stderr.txt", "returncode"];
      for (const file of files) writeFileSync(join(world.local, file), "old");
      await world.upload();
      for (const file of files) {
        const { atimeMs, mtimeMs } = statSync(join(world.remote, file));
        writeFileSync(join(world.remote, file), "new");
        utimesSync(join(world.remote, file), atimeMs / 1000, mtimeMs / 1000);
      }
      await world.download();
      expect(files.map((file) => readFileSync(join(world.local, file), "utf8"))).toEqual(["new", "new", "new"]);
    });

    test("links inside the job are kept, those that leave it and special files are not", async () => {
      await using world = await open({ settings });
      mkdirSync(join(world.local, "d"));
      writeFileSync(join(world.local, "d", "f"), "file");
      symlinkSync("d/f", join(world.local, "in"));
      symlinkSync("/etc/passwd", join(world.local, "out"));
      await world.upload();
      expect(readlinkSync(join(world.remote, "in"))).toBe("d/f");
      expect(existsSync(join(world.remote, "out"))).toBe(false);
      const links = {
        up: "../secret",
        deep: "d/../../secret",
        absolute: "/etc/passwd",
        own: `${world.remote}/d/f`,
        good: "d/f",
        "d/back": "../in",
      };
      for (const [link, target] of Object.entries(links)) symlinkSync(target, join(world.remote, link));
      for (const link of Object.keys(links)) lchownSync(join(world.remote, link), account.uid, account.gid);
      execFileSync("mkfifo", [join(world.remote, "pipe")]);
      await world.download();
      expect(readdirSync(world.local).sort()).toEqual(["d", "good", "in", "out", "own"]);
      expect(readlinkSync(join(world.local, "own"))).toBe("d/f");
      expect(readlinkSync(join(world.local, "good"))).toBe("d/f");
      expect(readlinkSync(join(world.local, "d", "back"))).toBe("../in");
    });

    test("a link on this side is replaced and not followed", async () => {
      await using world = await open({ settings });
      const other = join(world.jobRoot, "other");
      mkdirSync(other);
      writeFileSync(join(world.local, "in"), "1");
      await world.upload();
      symlinkSync(other, join(world.local, "results"));
      symlinkSync(join(other, "stdout"), join(world.local, "stdout.txt"));
      await world.writeRemote(world.remote, "results/table", "42");
      await world.writeRemote(world.remote, "stdout.txt", "done");
      await world.download();
      expect(readdirSync(other)).toEqual([]);
      expect(readFileSync(join(world.local, "results", "table"), "utf8")).toBe("42");
      expect(lstatSync(join(world.local, "stdout.txt")).isFile()).toBe(true);
    });

    test("a directory in the place of a file and a file in the place of a directory come back as they are", async () => {
      await using world = await open({ settings });
      mkdirSync(join(world.local, "directory"));
      writeFileSync(join(world.local, "directory", "old"), "1");
      writeFileSync(join(world.local, "file"), "1");
      await world.upload();
      rmSync(join(world.remote, "directory"), { recursive: true });
      rmSync(join(world.remote, "file"));
      await world.writeRemote(world.remote, "directory", "now a file");
      await world.writeRemote(world.remote, "file/new", "now a directory");
      await world.download();
      expect(readFileSync(join(world.local, "directory"), "utf8")).toBe("now a file");
      expect(readFileSync(join(world.local, "file", "new"), "utf8")).toBe("now a directory");
    });

    test("permissions to execute are kept in both directions, a set-user-id bit in none", async () => {
      await using world = await open({ settings });
      writeFileSync(join(world.local, "tool"), "#!/bin/sh\n");
      chmodSync(join(world.local, "tool"), 0o4755);
      await world.upload();
      expect((statSync(join(world.remote, "tool")).mode & 0o7777).toString(8)).toBe("755");
      await world.writeRemote(world.remote, "made", "#!/bin/sh\n");
      chmodSync(join(world.remote, "made"), 0o6751);
      await world.download();
      expect((statSync(join(world.local, "made")).mode & 0o7777).toString(8)).toBe("751");
    });

    test("odd and long names survive in both directions", async () => {
      await using world = await open({ settings });
      const names = ["-rf", " ", "a\nb", "ü€😀", "back\\slash\\n", "*?[x]", "'\"$HOME`", "n".repeat(200), "--help"];
      for (const name of names) writeFileSync(join(world.local, name), `in ${name}`);
      const deep = Array.from({ length: 12 }, () => "d".repeat(60)).join("/");
      mkdirSync(join(world.local, deep), { recursive: true });
      writeFileSync(join(world.local, deep, "f"), "deep");
      await world.upload();
      for (const name of names) {
        expect(readFileSync(join(world.remote, name), "utf8")).toBe(`in ${name}`);
        await world.writeRemote(world.remote, `out/${name}`, `out ${name}`);
      }
      await world.writeRemote(world.remote, `${deep}/g`, "deeper");
      await world.download();
      for (const name of names) expect(readFileSync(join(world.local, "out", name), "utf8")).toBe(`out ${name}`);
      expect(readFileSync(join(world.local, deep, "g"), "utf8")).toBe("deeper");
    });

    test("many small files and a large one are whole in both directions", async () => {
      await using world = await open({ settings, changes: { isChecksummed: true } });
      mkdirSync(join(world.local, "many"));
      for (let n = 0; n < 500; n++) writeFileSync(join(world.local, "many", String(n)), randomBytes(n * 7));
      writeFileSync(join(world.local, "large"), randomBytes(20_000_001));
      await world.upload();
      expect(sha(join(world.remote, "large"))).toBe(sha(join(world.local, "large")));
      execFileSync("cp", ["-r", join(world.remote, "many"), join(world.remote, "more")]);
      execFileSync("cp", [join(world.remote, "large"), join(world.remote, "larger")]);
      execFileSync("chown", ["-R", `${account.uid}:${account.gid}`, world.remote]);
      await world.download();
      expect(sha(join(world.local, "larger"))).toBe(sha(join(world.local, "large")));
      for (let n = 0; n < 500; n++) {
        expect(sha(join(world.local, "more", String(n)))).toBe(sha(join(world.local, "many", String(n))));
      }
      expect(existsSync(join(world.incomingDir, "17"))).toBe(false);
    });

    test("an empty job has an empty directory", async () => {
      await using world = await open({ settings });
      await world.upload();
      expect(readdirSync(world.remote)).toEqual([]);
      await world.upload();
      await world.download();
      expect(readdirSync(world.local)).toEqual([]);
    });

    test("remove() takes what a job locked away, and what a broken transfer left", async () => {
      await using world = await open({ settings });
      await world.upload();
      await world.writeRemote(world.remote, "locked/deep/file", "x");
      chmodSync(join(world.remote, "locked", "deep"), 0o000);
      chmodSync(join(world.remote, "locked"), 0o500);
      mkdirSync(join(world.server.entry, ".17.part"));
      chownSync(join(world.server.entry, ".17.part"), account.uid, account.gid);
      await world.fileSystem.remove(world.remote, signal);
      expect(readdirSync(world.server.entry)).toEqual([]);
    });

    test("remove() refuses everything that is no job directory", async () => {
      await using world = await open({ settings });
      const { entry } = world.server;
      for (const path of [entry, "/", `${entry}/..`, `${entry}/../17`, `${entry}/a`, `${entry}/17/1`, "/tmp/17"]) {
        const fault = await rejectionOf(world.fileSystem.remove(path, signal));
        expect(fault).toMatchObject({ retryable: false });
        expect(String(fault)).toContain("is no job directory");
      }
      expect(existsSync(entry)).toBe(true);
    });

    test("a link in the place of the job directory is removed, not what it leads to", async () => {
      await using world = await open({ settings });
      await world.writeRemote(world.server.entry, "precious/file", "kept");
      symlinkSync(join(world.server.entry, "precious"), world.remote);
      await world.fileSystem.remove(world.remote, signal);
      expect(readdirSync(world.server.entry)).toEqual(["precious"]);
      expect(readdirSync(join(world.server.entry, "precious"))).toEqual(["file"]);
    });
  });
}

describe("copies", () => {
  test.each([
    ["several streams at a time", []],
    ["what a host with one session lets through", ["MaxSessions 1"]],
  ] as const)(
    "thousands of files go by %s, whole and with the permissions of their directories",
    async (_, settings) => {
      await using world = await open({ settings });
      for (let n = 0; n < 1_200; n++) {
        const directory = join(world.local, `d${n % 7}`, `e${n % 100}`);
        mkdirSync(directory, { recursive: true, mode: 0o750 });
        writeFileSync(join(directory, String(n)), randomBytes(n));
      }
      writeFileSync(join(world.local, "d3", "large"), randomBytes(5_000_001));
      await world.upload();
      execFileSync("diff", ["-r", world.local, world.remote]);
      expect(statSync(join(world.remote, "d3")).mode & 0o777).toBe(statSync(join(world.local, "d3")).mode & 0o777);
      expect(statSync(join(world.remote, "d3", "e3")).mode & 0o777).toBe(0o750);
    },
  );

  test("a small job is brought there by two commands, and what is there of it already is left alone", async () => {
    await using world = await open({ settings: ["LogLevel VERBOSE"] });
    const commands = (): number =>
      readFileSync(join(world.server.path, "log"), "utf8").split("Starting session: command").length - 1;
    const upload = (id: number): Promise<void> => {
      const local = join(world.jobRoot, String(id));
      mkdirSync(local, { recursive: true });
      writeFileSync(join(local, "in"), String(id));
      return world.fileSystem.upload(local, world.fileSystem.locate(jobId(id), local), signal);
    };
    // The first one asks what the account can do.
    await upload(1);
    const before = commands();
    await upload(2);
    expect(commands() - before).toBe(2);
    // What an earlier try has left.
    const part = join(world.server.entry, ".3.part");
    mkdirSync(part);
    writeFileSync(join(part, "other"), "");
    chownSync(part, account.uid, account.gid);
    await upload(3);
    expect(readdirSync(join(world.server.entry, "3"))).toEqual(["in"]);
    // What belongs to somebody else.
    mkdirSync(join(world.server.entry, "4"));
    writeFileSync(join(world.server.entry, "4", "theirs"), "");
    await expect(upload(4)).rejects.toThrow("exists already on");
    expect(readdirSync(join(world.server.entry, "4"))).toEqual(["theirs"]);
    expect(existsSync(join(world.server.entry, ".4.part"))).toBe(false);
  });

  test("names that are not UTF-8 survive where the account has a shell, and are told about where it has none", async () => {
    for (const settings of [[], [NO_SHELL]]) {
      await using world = await open({ settings });
      const path = (directory: string, name: string): Buffer => Buffer.from(`${directory}/${name}`, "latin1");
      writeFileSync(path(world.local, "b\xe4d"), "in");
      if (settings.length === 0) {
        await world.upload();
        expect(readFileSync(path(world.remote, "b\xe4d"), "utf8")).toBe("in");
        writeFileSync(path(world.remote, "m\xe4de"), "out");
        chownSync(path(world.remote, "m\xe4de"), account.uid, account.gid);
        await world.download();
        expect(readFileSync(path(world.local, "m\xe4de"), "utf8")).toBe("out");
      } else {
        const fault = await rejectionOf(world.upload());
        expect(String(fault)).toContain("is not UTF-8");
        expect(fault).toMatchObject({ retryable: false });
      }
    }
  });

  test("the remote copy is kept when that is wanted", async () => {
    await using world = await open({ changes: { isRemoteKept: true } });
    writeFileSync(join(world.local, "in"), "1");
    await world.upload();
    await world.fileSystem.remove(world.remote, signal);
    expect(readdirSync(world.remote)).toEqual(["in"]);
  });

  test("a file of a running job can be read in parts", async () => {
    await using world = await open();
    await world.upload();
    const read = async (from: number, most: number, name = "stdout.txt"): Promise<string | undefined> => {
      const part = await world.fileSystem.readFrom?.(world.remote, name, from, most, signal);
      return part === undefined ? undefined : `${from < 0 ? `${part.start}:` : ""}${Buffer.from(part.bytes)}`;
    };
    expect(await read(0, 100)).toBeUndefined();
    await world.writeRemote(world.remote, "stdout.txt", "0123456789");
    expect(await read(0, 100)).toBe("0123456789");
    expect(await read(3, 4)).toBe("3456");
    expect(await read(-4, 2)).toBe("6:67");
    expect(await read(-40, 100)).toBe("0:0123456789");
    expect(await read(10, 100)).toBe("");
    expect(await read(11, 100)).toBe("");
    await world.writeRemote(world.remote, "stderr.txt", "x".repeat(100_000));
    expect((await read(1, 90_000, "stderr.txt"))?.length).toBe(90_000);
    symlinkSync("/etc/passwd", join(world.remote, "link"));
    execFileSync("mkfifo", [join(world.remote, "pipe")]);
    expect(await read(0, 100, "link")).toBeUndefined();
    expect(await read(0, 100, "pipe")).toBeUndefined();
  });
});
