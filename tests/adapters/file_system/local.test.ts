import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildFileSystem } from "../../../adapters/file_system/build.ts";
import { localFileSystem } from "../../../adapters/file_system/local.ts";
import { BartenderError, TransferError } from "../../../src/core/errors.ts";
import { fileSystemSuite } from "../../conformance/file_system_suite.ts";
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

test("the configured type is built, and what this version cannot do yet is refused by name", () => {
  expect(buildFileSystem({ type: "local" }).isStaged).toBe(false);
  const proxy = {
    valid: undefined,
    certFile: undefined,
    keyFile: undefined,
    group: undefined,
    password: undefined,
    minLifeS: 1800,
    logLevel: "INFO",
  } as const;
  const build = () => buildFileSystem({ type: "dirac", lfnRoot: "/vo/user/u/user/", storageElement: "s", proxy });
  expect(build).toThrow(BartenderError);
  expect(build).toThrow("File system dirac is not available yet in this version");
});
