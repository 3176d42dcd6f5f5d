import type { FileSystemConfig } from "../../src/config/config.ts";
import { assertNever } from "../../src/core/assert_never.ts";
import { BartenderError } from "../../src/core/errors.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import { localFileSystem } from "./local.ts";

/** @throws {BartenderError} for a type that this version cannot do yet */
export function buildFileSystem(config: FileSystemConfig): FileSystem {
  switch (config.type) {
    case "local":
      return localFileSystem();
    case "sftp":
    case "dirac":
      throw new BartenderError("not_available", `File system ${config.type} is not available yet in this version`);
    default:
      return assertNever(config);
  }
}
