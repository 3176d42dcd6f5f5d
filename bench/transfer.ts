/**
 * Job directories of many small files and of one large file to and from a host over SSH, beside `rsync` and `scp` with
 * the same files, key and server. Ours includes comparing every copy and publishing it in one step. Each begins one of four
 * rounds, and the disk has nothing left to do before each copy: who comes later would pay for those before.
 *
 *     bun bench/transfer.ts [small files] [MiB of the large file] [rounds]
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { sftpFileSystem } from "../adapters/file_system/sftp.ts";
import { DEFAULT_LINK_TIMES } from "../adapters/ssh/connect.ts";
import { sshPool } from "../adapters/ssh/ssh_pool.ts";
import type { FileSystem } from "../src/ports/file_system.ts";
import { type SshServer, sshAccount, sshServer } from "../tests/support/ssh_server.ts";
import { sshSurroundings } from "../tests/support/ssh_world.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
import { ratio, report } from "./support/report.ts";

const smallFiles = Number(process.argv[2] ?? 10_000);
const largeMib = Number(process.argv[3] ?? 1024);
const rounds = Number(process.argv[4] ?? 4);

const SMALL_BYTES = 4096;
const signal = new AbortController().signal;

using account = sshAccount();
await using withShell = await sshServer({ account });
await using withoutShell = await sshServer({ account, settings: ["ForceCommand internal-sftp"] });
using dir = tempDir();

const trees = {
  [`${smallFiles} × 4 kB`]: (directory: string): void => {
    for (let n = 0; n < smallFiles; n++) {
      const place = join(directory, `d${Math.floor(n / 500)}`);
      if (n % 500 === 0) mkdirSync(place, { recursive: true });
      writeFileSync(join(place, `f${n}`), randomBytes(SMALL_BYTES));
    }
  },
  [`one file of ${largeMib} MiB`]: (directory: string): void => {
    const fd = openSync(join(directory, "large"), "w");
    for (let mib = 0; mib < largeMib; mib++) writeSync(fd, randomBytes(1 << 20));
    closeSync(fd);
  },
};

/** A way to move a directory, from and to absolute paths on this machine. */
interface Mover {
  readonly name: string;
  up(from: string, server: SshServer): Promise<void> | void;
  down(remote: string, to: string): Promise<void> | void;
}

const ssh = (server: SshServer): string =>
  `ssh -q -p ${server.port} -i ${server.keyFile} -o UserKnownHostsFile=${server.knownHostsFile}`;
const host = `${account.username}@127.0.0.1`;
const run = (program: string, args: readonly string[]): void => void execFileSync(program, args, { stdio: "pipe" });

function ours(name: string, server: SshServer): Mover & { readonly fileSystem: FileSystem } {
  const surroundings = sshSurroundings({ times: DEFAULT_LINK_TIMES });
  const fileSystem = sftpFileSystem({
    lease: sshPool(surroundings).lease(server.config),
    entry: server.entry,
    isRemoteKept: false,
    isChecksummed: false,
    incomingDir: join(dir.path, "incoming"),
    clock: systemClock(),
    logger: surroundings.logger,
  });
  return {
    name,
    fileSystem,
    up: (from) => fileSystem.upload(from, join(server.entry, "1"), signal),
    down: (remote, to) => fileSystem.download(remote, to, signal),
  };
}

const shell = ours("Bartender, tar", withShell);
const plain = ours("Bartender, SFTP alone", withoutShell);
const others: readonly Mover[] = [
  {
    name: "rsync -a",
    up: (from, server) => run("rsync", ["-a", "-e", ssh(server), `${from}/`, `${host}:${server.entry}/1`]),
    down: (remote, to) => run("rsync", ["-a", "-e", ssh(withShell), `${host}:${remote}/`, to]),
  },
  {
    name: "scp -r",
    up: (from, server) => run("scp", [...scpOptions(server), from, `${host}:${server.entry}/1`]),
    down: (remote, to) => run("scp", [...scpOptions(withShell), `${host}:${remote}/.`, to]),
  },
];

function scpOptions(server: SshServer): readonly string[] {
  const options = ["-q", "-p", "-r", "-P", String(server.port), "-i", server.keyFile];
  return [...options, "-o", `UserKnownHostsFile=${server.knownHostsFile}`];
}

function rotated<T>(all: readonly T[], by: number): readonly T[] {
  return [...all.slice(by % all.length), ...all.slice(0, by % all.length)];
}

async function seconds(work: () => Promise<void> | void): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

for (const [what, fill] of Object.entries(trees)) {
  const source = join(dir.path, "1");
  mkdirSync(source);
  fill(source);
  const times = new Map<string, { up: number[]; down: number[] }>();
  for (let round = 0; round < rounds; round++) {
    for (const mover of rotated([shell, plain, ...others], round)) {
      const server = mover === plain ? withoutShell : withShell;
      const remote = join(server.entry, "1");
      const target = join(dir.path, "2");
      mkdirSync(target);
      const measured = times.get(mover.name) ?? { up: [], down: [] };
      times.set(mover.name, measured);
      run("sync", []);
      measured.up.push(await seconds(() => mover.up(source, server)));
      // Under another number, as if a job had made all of it.
      renameSync(remote, join(server.entry, "2"));
      run("sync", []);
      measured.down.push(await seconds(() => mover.down(join(server.entry, "2"), target)));
      run("diff", ["-r", source, target]);
      rmSync(target, { recursive: true });
      rmSync(join(server.entry, "2"), { recursive: true });
    }
  }
  for (const direction of ["up", "down"] as const) {
    for (const [name, measured] of times) {
      const time = median(measured[direction]);
      const size = what.includes("×")
        ? `${Math.round(smallFiles / time)} files/s`
        : `${Math.round((largeMib * 1.048576) / time)} MB/s`;
      const beside = others.map((other) => {
        const reference = median(times.get(other.name)?.[direction] ?? []);
        return `${ratio(reference, time)} of ${other.name}`;
      });
      report(`${what}, ${direction}, ${name}`, `${size} (${beside.join(", ")})`);
    }
  }
  rmSync(source, { recursive: true });
}
await shell.fileSystem.close();
await plain.fileSystem.close();
