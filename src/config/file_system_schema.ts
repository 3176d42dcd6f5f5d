import Type from "typebox";
import { sshConfig } from "./ssh_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

/** `type: local`. */
export const localFileSystem = Type.Object(
  { type: Type.Literal("local") },
  { description: "The scheduler sees the same path as this service.", additionalProperties: false },
);

/** `type: sftp`. */
export const sftpFileSystem = Type.Object(
  {
    type: Type.Literal("sftp"),
    ssh_config: sshConfig,
    entry: Type.String({
      description: "Remote directory in the place of job_root_dir.",
      minLength: 1,
      pattern: "^/[^\\u0000]*$",
      patternErrorMessage: "should be an absolute path",
      default: "/",
    }),
    keep_remote: Type.Boolean({
      description: "Leave the remote copies of jobs where they are, to look into what went wrong.",
      default: false,
    }),
    checksum: Type.Boolean({
      description: "Compare the SHA-256 of every copied file beside its size.",
      default: false,
    }),
  },
  { description: "Copies job directories over SFTP.", additionalProperties: false },
);
