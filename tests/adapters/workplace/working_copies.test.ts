import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { outputsIn } from "../../../adapters/file_system/remote_outputs.ts";
import { sftpPerformerFileSystem } from "../../../adapters/file_system/sftp_performer.ts";
import { sshPool } from "../../../adapters/ssh/ssh_pool.ts";
import { workingCopies } from "../../../adapters/workplace/working_copies.ts";
import { TransferError } from "../../../src/core/errors.ts";
import { attemptTag, jobId } from "../../../src/core/ids.ts";
import type { OwnAttempt } from "../../../src/ports/attempt_queue.ts";
import type { Workplace } from "../../../src/ports/workplace.ts";
import { eventually } from "../../support/eventually.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { noSmallDiskBecause, type SmallDisk, smallDisk } from "../../support/small_disk.ts";
import { sshAccount } from "../../support/ssh_server.ts";
import { sshSurroundings } from "../../support/ssh_world.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { NO_SHELL, type SftpWorld, sftpWorld } from "../file_system/sftp_world.ts";

const signal = new AbortController().signal;
const account = sshAccount();
afterAll(() => account[Symbol.dispose]());

interface World extends SftpWorld {
  /** The directory of the job at the daemon. */
  readonly local: string;
  readonly copies: string;
  readonly workplace: Workplace;
  /** The same in the next life of the performer. */
  another(): Workplace;
  attempt(number: number): OwnAttempt;
  /** What a command does: writes files below its directory. */
  command(directory: string, files: Readonly<Record<string, string>>): void;
  download(): Promise<void>;
}

/** A job that a daemon has uploaded, and a performer elsewhere: it is told of a daemon that has left no mark. */
async function open(settings: readonly string[] = [], isElsewhere = true): Promise<World> {
  const world = await sftpWorld({ account, settings, changes: { mark: "daemon" } });
  const there = tempDir();
  const copies = join(there.path, "copies");
  const local = join(world.jobRoot, "17");
  mkdirSync(join(local, "in", "deep"), { recursive: true });
  writeFileSync(join(local, "in", "deep", "some.txt"), "three words here\n");
  writeFileSync(join(local, "in", "run.sh"), "#!/bin/sh\n");
  chmodSync(join(local, "in", "run.sh"), 0o755);
  symlinkSync("in/run.sh", join(local, "link"));
  const remote = world.fileSystem.locate(jobId(17), local);
  await world.fileSystem.upload(local, remote, signal);
  const opened: Workplace[] = [];
  const another = (): Workplace => {
    const surroundings = sshSurroundings();
    const lease = sshPool(surroundings).lease(world.server.config);
    const { entry } = world.server;
    const options = { lease, entry, isChecksummed: true, clock: systemClock(), logger: surroundings.logger };
    const made = workingCopies(sftpPerformerFileSystem(options), copies);
    opened.push(made);
    return made;
  };
  return {
    ...world,
    ...{ local, copies, another, workplace: another() },
    attempt: (number) => ({
      tag: attemptTag(isElsewhere ? "other" : "daemon", jobId(17), number),
      job: { directory: remote, command: "true", application: "a", submitter: "s", resources: {} },
    }),
    command(directory, files) {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, name)), { recursive: true });
        writeFileSync(join(directory, name), text);
      }
    },
    download: () => world.fileSystem.download(remote, local, signal),
    async [Symbol.asyncDispose]() {
      for (const each of opened) await each.close();
      await world[Symbol.asyncDispose]();
      there[Symbol.dispose]();
    },
  };
}

/** Tries again as a performer would, until it works. */
const untilDone = <T>(what: string, work: () => Promise<T>): Promise<T> =>
  eventually(what, async () => {
    try {
      return { value: await work() };
    } catch (error) {
      if (error instanceof TransferError && error.retryable) return undefined;
      throw error;
    }
  }).then(({ value }) => value);

const tree = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
const read = (...parts: readonly string[]): string => readFileSync(join(...parts), "utf8");

for (const [name, settings] of [
  ["with a shell", []],
  ["without a shell", [NO_SHELL]],
] as const) {
  describe(`working copies from a host ${name}`, () => {
    test("a copy is whole, and what the command makes or changes comes to the daemon, and nothing else", async () => {
      await using world = await open(settings);
      const { workplace, attempt, command, local } = world;
      const own = attempt(1);
      const directory = await workplace.prepare(own, signal);
      expect(directory).toBe(join(world.copies, own.tag, "files"));
      expect(tree(directory)).toEqual(["in", "in/deep", "in/deep/some.txt", "in/run.sh", "link"]);
      expect(execFileSync("test", ["-x", join(directory, "in", "run.sh")]).length).toBe(0);
      command(directory, {
        "stdout.txt": "out\n",
        "in/run.sh": "#!/bin/sh\n# mine\n",
        "new/deep/er": "x",
        returncode: "0",
      });
      symlinkSync(join(directory, "new", "deep", "er"), join(directory, "absolute"));
      symlinkSync("/etc/passwd", join(directory, "leaves"));
      await workplace.deliver(own, signal);
      expect(tree(join(world.server.entry, ".17.out"))).toEqual(
        [
          "1",
          "1/absolute",
          "1/in",
          "1/in/run.sh",
          "1/new",
          "1/new/deep",
          "1/new/deep/er",
          "1/returncode",
          "1/stdout.txt",
        ].sort(),
      );
      await world.download();
      expect(read(local, "in", "run.sh")).toBe("#!/bin/sh\n# mine\n");
      expect(read(local, "in", "deep", "some.txt")).toBe("three words here\n");
      expect(read(local, "absolute")).toBe("x");
      expect(existsSync(join(local, "leaves"))).toBe(false);
      await workplace.discard(own.tag);
      expect(readdirSync(world.copies)).toEqual([]);
      await world.fileSystem.remove(own.job.directory, signal);
      expect(readdirSync(world.server.entry)).toEqual([".bartender"]);
    });

    test("a command that writes within the second of the upload, and as much as was there, is not taken for one that did nothing", async () => {
      await using world = await open(settings);
      const own = world.attempt(1);
      const directory = await world.workplace.prepare(own, signal);
      const path = join(directory, "in", "deep", "some.txt");
      writeFileSync(path, "THREE WORDS HERE\n");
      const { mtime } = statSync(join(world.local, "in", "deep", "some.txt"));
      utimesSync(path, mtime, mtime);
      await world.workplace.deliver(own, signal);
      await world.download();
      expect(read(world.local, "in", "deep", "some.txt")).toBe("THREE WORDS HERE\n");
    });

    test("a copy whose link is lost is fetched again, and so is output sent again; neither is there before it is whole", async () => {
      await using world = await open(settings);
      const { workplace, attempt, server } = world;
      const own = attempt(1);
      const large = randomBytes(40_000_000);
      writeFileSync(join(own.job.directory, "large"), large);
      const preparing = rejectionOf(workplace.prepare(own, signal));
      const incoming = join(world.copies, own.tag, "scratch", "incoming");
      await eventually("the transfer to begin", () => existsSync(incoming) && readdirSync(incoming).length > 2);
      server.killSessions();
      expect(await preparing).toMatchObject({ retryable: true });
      expect(existsSync(join(world.copies, own.tag, "files"))).toBe(false);
      const directory = await untilDone("the copy", () => workplace.prepare(own, signal));
      expect(readFileSync(join(directory, "large")).equals(large)).toBe(true);
      const output = randomBytes(40_000_000);
      writeFileSync(join(directory, "output"), output);
      const delivering = rejectionOf(workplace.deliver(own, signal));
      const outputs = join(server.entry, ".17.out");
      await eventually("the output to begin", () => existsSync(join(outputs, ".1.part", "output")));
      server.killSessions();
      expect(await delivering).toMatchObject({ retryable: true });
      expect(readdirSync(outputs)).toEqual([".1.part"]);
      // In the next life of the performer.
      await untilDone("the output", () => world.another().deliver(own, signal));
      expect(readdirSync(outputs)).toEqual(["1"]);
      await untilDone("the download", world.download);
      expect(readFileSync(join(world.local, "output")).equals(output)).toBe(true);
    });
  });
}

describe("working copies", () => {
  test("what was decided for an attempt holds in the next life of the performer, and each step may be repeated", async () => {
    await using world = await open();
    const own = world.attempt(1);
    const directory = await world.workplace.prepare(own, signal);
    world.command(directory, { "stdout.txt": "half" });
    const next = world.another();
    expect(await next.prepare(own, signal)).toBe(directory);
    expect(read(directory, "stdout.txt")).toBe("half");
    expect(next.tags()).toEqual([own.tag]);
    await next.deliver(own, signal);
    world.command(directory, { "stdout.txt": "whole" });
    await next.deliver(own, signal);
    await next.deliver(own, signal);
    await world.download();
    expect(read(world.local, "stdout.txt")).toBe("whole");
    await next.discard(own.tag);
    await next.discard(own.tag);
    expect(next.tags()).toEqual([]);
  });

  test("a later attempt begins with what was uploaded, and its output counts, whenever an earlier one delivers", async () => {
    await using world = await open();
    const { workplace, attempt, command } = world;
    const first = await workplace.prepare(attempt(1), signal);
    command(first, { "stdout.txt": "first", "only first": "x" });
    const second = await workplace.prepare(attempt(2), signal);
    expect(tree(second)).toEqual(["in", "in/deep", "in/deep/some.txt", "in/run.sh", "link"]);
    command(second, { "stdout.txt": "second" });
    await workplace.deliver(attempt(2), signal);
    await workplace.deliver(attempt(1), signal);
    await world.download();
    expect(read(world.local, "stdout.txt")).toBe("second");
    expect(existsSync(join(world.local, "only first"))).toBe(false);
  });

  test("no copy is made where the entry directory itself is seen, which the mark of the daemon proves", async () => {
    await using world = await open([], false);
    const own = world.attempt(2);
    // An earlier attempt ran elsewhere.
    world.command(join(world.server.entry, ".17.out", "1"), { "stdout.txt": "elsewhere" });
    expect(await world.workplace.prepare(own, signal)).toBe(own.job.directory);
    expect(existsSync(join(world.server.entry, ".17.out"))).toBe(false);
    world.command(own.job.directory, { "stdout.txt": "here" });
    // Whatever can be seen later.
    rmSync(join(world.server.entry, ".bartender"), { recursive: true });
    const next = world.another();
    expect(await next.prepare(own, signal)).toBe(own.job.directory);
    expect(await next.readFrom(own, "stdout.txt", -3, 2)).toEqual({ start: 1, bytes: new TextEncoder().encode("er") });
    await next.deliver(own, signal);
    await next.discard(own.tag);
    await world.download();
    expect(read(world.local, "stdout.txt")).toBe("here");
  });

  test("a directory that only has the same path is not taken for that of the daemon", async () => {
    await using world = await open();
    const own = world.attempt(1);
    expect(await world.workplace.prepare(own, signal)).not.toBe(own.job.directory);
  });

  test("a job that the daemon has taken away, or a copy that somebody removed, is a fault for good", async () => {
    await using world = await open();
    const own = world.attempt(1);
    const directory = await world.workplace.prepare(own, signal);
    await world.fileSystem.remove(own.job.directory, signal);
    expect(await rejectionOf(world.workplace.deliver(own, signal))).toMatchObject({ retryable: false });
    rmSync(directory, { recursive: true });
    expect(await rejectionOf(world.workplace.deliver(own, signal))).toMatchObject({ retryable: false });
    expect(await rejectionOf(world.workplace.prepare(own, signal))).toMatchObject({ retryable: false });
  });

  test("reads no log through a link out of the copy", async () => {
    await using world = await open();
    const own = world.attempt(1);
    const directory = await world.workplace.prepare(own, signal);
    expect(await world.workplace.readFrom(own, "stdout.txt", 0, 10)).toBeUndefined();
    symlinkSync("/etc/passwd", join(directory, "stdout.txt"));
    expect(await world.workplace.readFrom(own, "stdout.txt", 0, 10)).toBeUndefined();
    writeFileSync(join(directory, "stderr.txt"), "abc");
    expect((await world.workplace.readFrom(own, "stderr.txt", 3, 10))?.bytes.length).toBe(0);
  });

  test("a transfer that is called off ends at once", async () => {
    await using world = await open();
    const own = world.attempt(1);
    world.server.freeze();
    const abort = new AbortController();
    const preparing = rejectionOf(world.workplace.prepare(own, abort.signal));
    const atMs = performance.now();
    abort.abort();
    expect(await preparing).toMatchObject({ retryable: true, message: "The transfer was called off" });
    expect(performance.now() - atMs).toBeLessThan(500);
    world.server.thaw();
  });
});

describe.skipIf(noSmallDiskBecause() !== undefined)("a full disk", () => {
  for (const [by, settings] of [
    ["by tar", []],
    ["by SFTP", [NO_SHELL]],
  ] as const) {
    test(`of the host is told as such, and output is sent when there is room: ${by}`, async () => {
      await using world = await open(settings);
      const own = world.attempt(1);
      const directory = await world.workplace.prepare(own, signal);
      world.command(directory, { returncode: "0" });
      writeFileSync(join(directory, "large"), randomBytes(1_000_000));
      const outputs = outputsIn(world.server.entry, "17");
      mkdirSync(outputs);
      using disk = smallDisk(4_000_000, outputs);
      disk.fill(100_000);
      expect(await rejectionOf(world.workplace.deliver(own, signal))).toMatchObject({
        retryable: true,
        message: expect.stringContaining("the disk is full"),
      });
      disk.release();
      await world.workplace.deliver(own, signal);
      expect(readFileSync(join(outputs, "1", "large")).length).toBe(1_000_000);
    });
  }

  test("of the performer is told as such, and input is fetched when there is room", async () => {
    using disk: SmallDisk = smallDisk(4_000_000);
    await using world = await open();
    const own = world.attempt(1);
    writeFileSync(join(own.job.directory, "large"), randomBytes(1_000_000));
    const surroundings = sshSurroundings();
    const lease = sshPool(surroundings).lease(world.server.config);
    const { entry } = world.server;
    const options = { lease, entry, isChecksummed: false, clock: systemClock(), logger: surroundings.logger };
    const workplace = workingCopies(sftpPerformerFileSystem(options), join(disk.path, "copies"));
    try {
      disk.fill(100_000);
      expect(await rejectionOf(workplace.prepare(own, signal))).toMatchObject({
        retryable: true,
        message: expect.stringContaining("the disk is full on this machine"),
      });
      disk.release();
      const directory = await workplace.prepare(own, signal);
      expect(readFileSync(join(directory, "large")).length).toBe(1_000_000);
    } finally {
      await workplace.close();
    }
  });
});
