import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { buildFileSystem } from "../../../adapters/file_system/build.ts";
import { localFileSystem } from "../../../adapters/file_system/local.ts";
import { sshPool } from "../../../adapters/ssh/ssh_pool.ts";
import { TransferError } from "../../../src/core/errors.ts";
import { fileSystemSuite } from "../../conformance/file_system_suite.ts";
import { idleDirac } from "../../support/idle_dirac.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { sshSurroundings } from "../../support/ssh_world.ts";
import { tempDir } from "../../support/temp_dir.ts";

fileSystemSuite("local", async () => {
  const dir = tempDir();
  return {
    fileSystem: localFileSystem(),
    jobRoot: dir.path,
    async writeRemote(remote, name, text) {
      mkdirSync(dirname(join(remote, name)), { recursive: true });
      writeFileSync(join(remote, name), text);
    },
    async readRemote(remote, name) {
      const path = join(remote, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    async [Symbol.asyncDispose]() {
      dir[Symbol.dispose]();
    },
  };
});

const signal = new AbortController().signal;

test("two different directories are not moved but refused", async () => {
  using dir = tempDir();
  const transfer = localFileSystem().upload(dir.path, "/tmp", signal);
  await expect(transfer).rejects.toBeInstanceOf(TransferError);
  await expect(transfer).rejects.toThrow("they are not the same");
});

test("a file in the place of the job directory is refused", async () => {
  using dir = tempDir();
  const path = join(dir.path, "file");
  writeFileSync(path, "");
  await expect(localFileSystem().upload(path, path, signal)).rejects.toThrow("is not a directory");
});

test("the configured type is built", () => {
  const ssh = sshPool(sshSurroundings());
  const surroundings = {
    incomingDir: "/nowhere",
    ssh,
    dirac: idleDirac(),
    clock: systemClock(),
    logger: recordingLogger(),
  };
  expect(buildFileSystem({ type: "local" }, surroundings).isStaged).toBe(false);
});
