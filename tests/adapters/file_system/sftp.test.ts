import { afterAll } from "bun:test";
import { fileSystemSuite } from "../../conformance/file_system_suite.ts";
import { sshAccount } from "../../support/ssh_server.ts";
import { NO_SHELL, sftpWorld } from "./sftp_world.ts";

const account = sshAccount();
afterAll(() => account[Symbol.dispose]());

fileSystemSuite("sftp with a shell", () => sftpWorld({ account }));
fileSystemSuite("sftp without a shell", () => sftpWorld({ account, settings: [NO_SHELL] }));
fileSystemSuite("sftp with checksums", () => sftpWorld({ account, changes: { isChecksummed: true } }));
fileSystemSuite("sftp without a shell, with checksums", () =>
  sftpWorld({ account, settings: [NO_SHELL], changes: { isChecksummed: true } }),
);
