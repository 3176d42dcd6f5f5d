import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { TransferError } from "../../../src/core/errors.ts";
import { jobId } from "../../../src/core/ids.ts";
import { tarArchive } from "../../../src/files/tar_writer.ts";
import { eventually } from "../../support/eventually.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { sshAccount } from "../../support/ssh_server.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { NO_SHELL, type SftpWorldOptions, sftpJobWorld } from "./sftp_world.ts";

const signal = new AbortController().signal;
const isMounting = canMount();
const account = sshAccount();
afterAll(() => account[Symbol.dispose]());

const open = (options: Partial<SftpWorldOptions> = {}) => sftpJobWorld({ account, ...options });

/** Tries again as the daemon would, until it works. */
const untilDone = (what: string, work: () => Promise<void>): Promise<unknown> =>
  eventually(what, () =>
    work().then(
      () => true,
      () => false,
    ),
  );

/** What a file that is written again does not keep; its number alone may be given to it again. */
const identities = (directory: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(directory).map((name) => {
      const { ino, ctimeNs } = lstatSync(join(directory, name), { bigint: true });
      return [name, `${ino} ${ctimeNs}`];
    }),
  );

/** Small files that are there before the large one, which takes a while. */
function fill(directory: string, bytes = 60_000_000): void {
  for (let n = 0; n < 100; n++) writeFileSync(join(directory, `a${n}`), `file ${n}`);
  writeFileSync(join(directory, "large"), randomBytes(bytes));
}

for (const [name, settings] of [
  ["with a shell", []],
  ["without a shell", [NO_SHELL]],
] as const) {
  describe(`transfers ${name}`, () => {
    test("an upload whose link is lost publishes nothing, and goes on where it was", async () => {
      await using world = await open({ settings });
      fill(world.local);
      const upload = rejectionOf(world.upload());
      await eventually("the large file to be begun", () => existsSync(join(world.part, "large")));
      // Several are under way at a time; a copy gets its time, an hour ago, when it is whole.
      const isWhole = (name: string): boolean => statSync(join(world.part, name)).mtimeMs < Date.now() - 1_800_000;
      await eventually("whole small files", () => Array.from({ length: 100 }, (_, n) => `a${n}`).every(isWhole));
      world.server.killSessions();
      const fault = await upload;
      expect(fault).toBeInstanceOf(TransferError);
      expect(fault).toMatchObject({ retryable: true });
      expect(existsSync(world.remote)).toBe(false);
      const whole = [...identities(world.part)].filter(([name]) => isWhole(name));
      await untilDone("the upload", world.upload);
      const after = identities(world.remote);
      expect(whole.length).toBeGreaterThan(30);
      for (const [name, identity] of whole) expect(after.get(name)).toBe(identity);
      expect(readFileSync(join(world.remote, "large")).equals(readFileSync(join(world.local, "large")))).toBe(true);
    });

    test("a download whose link is lost changes nothing, and goes on where it was", async () => {
      let fetched = 0;
      const onCopied = (_direction: string, bytes: number): void => {
        fetched = bytes;
      };
      await using world = await open({ settings, changes: { onCopied } });
      await world.upload();
      fill(world.remote);
      execFileSync("chown", ["-R", `${account.uid}:${account.gid}`, world.remote]);
      const incoming = join(world.incomingDir, "17");
      const download = rejectionOf(world.download());
      await eventually("the large file to be begun", () => existsSync(incoming) && readdirSync(incoming).length > 100);
      world.server.killSessions();
      const fault = await download;
      expect(fault).toBeInstanceOf(TransferError);
      expect(fault).toMatchObject({ retryable: true });
      expect(readdirSync(world.local)).toEqual([]);
      // Those that were under way cannot be read yet.
      const whole = readdirSync(incoming)
        .map((name) => statSync(join(incoming, name)))
        .filter(({ mode }) => (mode & 0o400) !== 0);
      await untilDone("the download", world.download);
      expect(whole.length).toBeGreaterThan(30);
      const total = readdirSync(world.local).reduce((sum, name) => sum + statSync(join(world.local, name)).size, 0);
      expect(fetched).toBeLessThanOrEqual(whole.reduce((left, { size }) => left - size, total));
      expect(readFileSync(join(world.local, "large")).equals(readFileSync(join(world.remote, "large")))).toBe(true);
    });

    test("a transfer that is called off ends at once", async () => {
      await using world = await open({ settings });
      fill(world.local, 200_000_000);
      const abort = new AbortController();
      const upload = rejectionOf(world.upload(abort.signal));
      await eventually("the large file to be begun", () => existsSync(join(world.part, "large")));
      const atMs = performance.now();
      abort.abort();
      expect(await upload).toMatchObject({ retryable: true, message: "The transfer was called off" });
      expect(performance.now() - atMs).toBeLessThan(500);
      expect(existsSync(world.remote)).toBe(false);
    });

    test("a host that freezes is noticed, and the transfer may be tried again", async () => {
      await using world = await open({ settings });
      fill(world.local);
      const upload = rejectionOf(world.upload());
      await eventually("the large file to be begun", () => existsSync(join(world.part, "large")));
      world.server.freeze();
      expect(await upload).toMatchObject({ retryable: true });
      world.server.thaw();
      await untilDone("the upload", world.upload);
    });

    test("a host that is down for a while costs nothing but time", async () => {
      await using world = await open({ settings });
      writeFileSync(join(world.local, "in"), "1");
      await world.server.kill();
      expect(await rejectionOf(world.upload())).toMatchObject({ retryable: true });
      await world.server.start();
      await untilDone("the upload", world.upload);
      expect(readdirSync(world.remote)).toEqual(["in"]);
    });

    test("a host that allows one session is enough for many transfers", async () => {
      await using world = await open({ settings: [...settings, "MaxSessions 1"] });
      const ids = [1, 2, 3, 4, 5, 6];
      await Promise.all(
        ids.map(async (id) => {
          const local = join(world.jobRoot, String(id));
          mkdirSync(local);
          writeFileSync(join(local, "in"), String(id));
          await world.fileSystem.upload(local, world.fileSystem.locate(jobId(id), local), signal);
        }),
      );
      for (const id of ids) {
        expect(readFileSync(join(world.server.entry, String(id), "in"), "utf8")).toBe(String(id));
      }
    });

    test.skipIf(!isMounting)("a full disk is named, and may have room later", async () => {
      await using world = await open({ settings });
      using _ = mountTiny(world.server.entry);
      chownSync(world.server.entry, account.uid, account.gid);
      writeFileSync(join(world.local, "large"), randomBytes(3_000_000));
      const fault = await rejectionOf(world.upload());
      expect(fault).toBeInstanceOf(TransferError);
      expect(String(fault)).toMatch(/: the disk is full .*on \S+@127\.0\.0\.1/);
      expect(fault).toMatchObject({ retryable: true });
      expect(existsSync(world.remote)).toBe(false);
    });

    test("missing permission is named, and is no matter of time", async () => {
      await using world = await open({ settings });
      chmodSync(world.server.entry, 0o555);
      const fault = await rejectionOf(world.upload());
      expect(String(fault)).toContain(`permission denied on ${account.username}@127.0.0.1`);
      expect(fault).toMatchObject({ retryable: false });
    });
  });
}

describe("transfers", () => {
  test("thousands of files whose link is lost go on where they were", async () => {
    await using world = await open();
    for (let n = 0; n < 1_500; n++) writeFileSync(join(world.local, `f${n}`), randomBytes(200));
    writeFileSync(join(world.local, "large"), randomBytes(60_000_000));
    const upload = rejectionOf(world.upload());
    await eventually("some files", () => existsSync(world.part) && readdirSync(world.part).length > 200);
    world.server.killSessions();
    expect(await upload).toMatchObject({ retryable: true });
    expect(existsSync(world.remote)).toBe(false);
    const before = identities(world.part);
    await untilDone("the upload", world.upload);
    const after = identities(world.remote);
    const kept = [...before].filter(([name, identity]) => after.get(name) === identity);
    expect(kept.length).toBeGreaterThan(100);
    execFileSync("diff", ["-r", world.local, world.remote]);
  });

  test.skipIf(!isMounting)("a full disk on this side is not blamed on the host", async () => {
    await using world = await open();
    using _ = mountTiny(world.incomingDir);
    await world.upload();
    await world.writeRemote(world.remote, "large", "x".repeat(3_000_000));
    const fault = await rejectionOf(world.download());
    expect(String(fault)).toContain("the disk is full on this machine");
    expect(fault).toMatchObject({ retryable: true });
  });

  test("a host that stops moving bytes is given up", async () => {
    using tools = fakeTool("tar", 'case "$*" in *-x*) exec sleep 300;; *) exec /usr/bin/tar "$@";; esac');
    await using world = await open({ settings: [tools.setting], changes: { stallMs: 300 } });
    fill(world.local, 1_000);
    const fault = await rejectionOf(world.upload());
    expect(String(fault)).toContain("Nothing was moved for");
    expect(fault).toMatchObject({ retryable: true });
  });

  const hostile = [
    ["a name that leads out of the job", "../../escaped", "The host sent a file that was not asked for"],
    ["an absolute name", "/tmp/escaped", "The host sent a file that was not asked for"],
    ["a file that was not asked for", "uninvited", "The host sent a file that was not asked for"],
  ] as const;
  test.each(hostile)("an archive with %s is refused", async (_what, path, message) => {
    const archive = await tarOf(path, "content");
    using tools = fakeTool(
      "tar",
      'case "$*" in *-c*) cat "$(dirname "$0")/archive";; *) exec /usr/bin/tar "$@";; esac',
      archive,
    );
    await using world = await open({ settings: [tools.setting] });
    await world.upload();
    await world.writeRemote(world.remote, "asked", "1");
    const fault = await rejectionOf(world.download());
    expect(String(fault)).toContain(message);
    expect(readdirSync(world.local)).toEqual([]);
  });

  test.each([
    ["longer", "more than was listed"],
    ["shorter", ""],
  ])("a file that comes %s than it was listed is refused", async (_what, content) => {
    const archive = await tarOf("asked", content);
    using tools = fakeTool(
      "tar",
      'case "$*" in *-c*) cat "$(dirname "$0")/archive";; *) exec /usr/bin/tar "$@";; esac',
      archive,
    );
    await using world = await open({ settings: [tools.setting] });
    await world.upload();
    await world.writeRemote(world.remote, "asked", "1");
    const fault = await rejectionOf(world.download());
    expect(String(fault)).toContain("was changed while it was copied");
    expect(fault).toMatchObject({ retryable: true });
  });

  test("a list of files that leads out of the job is refused", async () => {
    using tools = fakeTool(
      "find",
      String.raw`case "$*" in *present*|*mindepth*) printf 'f 644 1 0 ../escaped\0\0';; *) exec /usr/bin/find "$@";; esac`,
    );
    await using world = await open({ settings: [tools.setting] });
    mkdirSync(world.remote);
    chownSync(world.remote, account.uid, account.gid);
    expect(String(await rejectionOf(world.download()))).toContain("The list of files is not to be understood");
  });

  test("a copy that the host spoiled is noticed by its size, and by its checksum where that is wanted", async () => {
    const spoil =
      'case "$*" in *-x*) /usr/bin/tar "$@" && printf CONTENT > file && touch -d @0 file;; *) exec /usr/bin/tar "$@";; esac';
    using tools = fakeTool("tar", spoil);
    await using world = await open({ settings: [tools.setting] });
    writeFileSync(join(world.local, "file"), "content");
    const fault = await rejectionOf(world.upload());
    expect(String(fault)).toContain("The copy of file on");
    expect(fault).toMatchObject({ retryable: true });
    expect(existsSync(world.remote)).toBe(false);

    const keep =
      'case "$*" in *-x*) /usr/bin/tar "$@" && t=$(stat -c %Y file) && printf CONTENT > file && touch -d "@$t" file;; *) exec /usr/bin/tar "$@";; esac';
    using sly = fakeTool("tar", keep);
    await using other = await open({ settings: [sly.setting], changes: { isChecksummed: true } });
    writeFileSync(join(other.local, "file"), "content");
    expect(String(await rejectionOf(other.upload()))).toContain("The checksum of file on");
    expect(existsSync(other.remote)).toBe(false);
  });

  test("nothing of a transfer runs on the host afterwards", async () => {
    await using world = await open();
    fill(world.local, 200_000_000);
    const abort = new AbortController();
    const upload = rejectionOf(world.upload(abort.signal));
    await eventually("the large file to be begun", () => existsSync(join(world.part, "large")));
    expect(commandsIn(world.part)).toContain("tar");
    abort.abort();
    await upload;
    await eventually("tar to end", () => !commandsIn(world.part).includes("tar"));
    expect(statSync(world.part).isDirectory()).toBe(true);
  });
});

/** Names of the programs that work in a directory. */
function commandsIn(directory: string): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const isThere = readlinkSync(`/proc/${pid}/cwd`) === directory;
      return isThere ? [readFileSync(`/proc/${pid}/comm`, "utf8").trim()] : [];
    } catch {
      // No process, or one that has ended.
      return [];
    }
  });
}

/** A file system of 1 MB. */
function mountTiny(directory: string): Disposable {
  mkdirSync(directory, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], { stdio: "pipe" });
  return { [Symbol.dispose]: () => void execFileSync("umount", ["-l", directory], { stdio: "pipe" }) };
}

/** False for ordinary users, and in most containers. */
function canMount(): boolean {
  using dir = tempDir();
  try {
    mountTiny(dir.path)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

/** Puts a program before that of the host. */
function fakeTool(name: string, script: string, archive?: Uint8Array): { readonly setting: string } & Disposable {
  const dir = tempDir();
  chmodSync(dir.path, 0o755);
  writeFileSync(join(dir.path, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir.path, name), 0o755);
  if (archive !== undefined) writeFileSync(join(dir.path, "archive"), archive);
  return { setting: `SetEnv PATH=${dir.path}:/usr/bin:/bin`, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

/** An archive with one file of any name. */
async function tarOf(path: string, content: string): Promise<Uint8Array> {
  using dir = tempDir();
  const file = join(dir.path, "content");
  writeFileSync(file, content);
  const fd = openSync(file, "r");
  const entry = { type: "file" as const, path, mode: 0o644, modifiedMs: 0, fd, size: content.length };
  const pieces: Uint8Array[] = [];
  const entries = async function* () {
    yield entry;
  };
  for await (const piece of tarArchive(entries())) pieces.push(piece);
  closeSync(fd);
  return Buffer.concat(pieces);
}
