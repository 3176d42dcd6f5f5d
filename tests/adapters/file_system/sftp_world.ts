import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { type SftpFileSystemOptions, sftpFileSystem } from "../../../adapters/file_system/sftp.ts";
import { sshPool } from "../../../adapters/ssh/ssh_pool.ts";
import { jobId } from "../../../src/core/ids.ts";
import type { FileSystemWorld } from "../../conformance/file_system_suite.ts";
import type { RecordingLogger } from "../../support/recording_logger.ts";
import { type SshAccount, type SshServer, sshServer } from "../../support/ssh_server.ts";
import { sshSurroundings } from "../../support/ssh_world.ts";
import { tempDir } from "../../support/temp_dir.ts";

export interface SftpWorld extends FileSystemWorld {
  readonly server: SshServer;
  readonly logger: RecordingLogger;
  readonly incomingDir: string;
}

export interface SftpWorldOptions {
  readonly account: SshAccount;
  /** Further lines of `sshd_config(5)`. */
  readonly settings?: readonly string[];
  readonly changes?: Partial<SftpFileSystemOptions>;
}

/** How the account is kept from commands, so that only SFTP is left. */
export const NO_SHELL = "ForceCommand internal-sftp";

/** A file system over a server of its own. */
export async function sftpWorld({ account, settings = [], changes = {} }: SftpWorldOptions): Promise<SftpWorld> {
  const dir = tempDir();
  const jobRoot = join(dir.path, "jobs");
  const incomingDir = join(dir.path, "incoming");
  mkdirSync(jobRoot);
  const server = await sshServer({ account, settings });
  const surroundings = sshSurroundings();
  const fileSystem = sftpFileSystem({
    lease: sshPool(surroundings).lease(server.config),
    entry: server.entry,
    isRemoteKept: false,
    isChecksummed: false,
    incomingDir,
    clock: systemClock(),
    logger: surroundings.logger,
    ...changes,
  });
  return {
    fileSystem,
    jobRoot,
    server,
    logger: surroundings.logger,
    incomingDir,
    async writeRemote(remote, name, text) {
      const path = join(remote, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      // As the job would have made it.
      for (let made = path; made !== remote; made = dirname(made)) chownSync(made, account.uid, account.gid);
    },
    async readRemote(remote, name) {
      const path = join(remote, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    async [Symbol.asyncDispose]() {
      await fileSystem.close();
      await server[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

/** The job 17, with an empty directory here. */
export interface SftpJobWorld extends SftpWorld {
  readonly local: string;
  readonly remote: string;
  /** Where it is copied to before it is published. */
  readonly part: string;
  upload(signal?: AbortSignal): Promise<void>;
  download(signal?: AbortSignal): Promise<void>;
}

export async function sftpJobWorld(options: SftpWorldOptions): Promise<SftpJobWorld> {
  const world = await sftpWorld(options);
  const local = join(world.jobRoot, "17");
  mkdirSync(local);
  const remote = world.fileSystem.locate(jobId(17), local);
  const unlimited = new AbortController().signal;
  return {
    ...world,
    ...{ local, remote, part: join(world.server.entry, ".17.part") },
    upload: (signal = unlimited) => world.fileSystem.upload(local, remote, signal),
    download: (signal = unlimited) => world.fileSystem.download(remote, local, signal),
  };
}
