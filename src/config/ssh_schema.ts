import Type, { type Static } from "typebox";
import { parseJump } from "./proxy_jump.ts";
import { oneLine, path, secret, secretFile } from "./text_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

/** How a host is logged in to. */
export const sshConfig = Type.Object(
  {
    hostname: oneLine("Host to log in to, or its name in ~/.ssh/config."),
    port: Type.Optional(
      Type.Integer({
        description: "Port of the SSH server; default is what ~/.ssh/config says, else 22.",
        minimum: 1,
        maximum: 65_535,
      }),
    ),
    username: Type.Optional(
      oneLine("Login; default is what ~/.ssh/config says, else the login of the service's user."),
    ),
    password: Type.Optional(
      secret("Password; without it the SSH agent and key files of ~/.ssh/config or default ones are used."),
    ),
    private_key: Type.Optional(path("Private key file, relative to the working directory; ~ is the home directory.")),
    passphrase: Type.Optional(secret("Opens the private key file.")),
    password_file: secretFile("password"),
    passphrase_file: secretFile("passphrase"),
    known_hosts: Type.Optional(
      path("File of known host keys; default is what ~/.ssh/config says, else ~/.ssh/known_hosts."),
    ),
    host_key_checking: Type.Boolean({
      description: "Refuse a host whose key is not in known_hosts. Switch it off only in a trusted network.",
      default: true,
    }),
    proxy_jump: Type.Optional(
      Type.Refine(
        Type.String({
          description:
            "Reach the host through this one: user@host:port; keys or agent only. none: directly; default is what " +
            "~/.ssh/config says.",
        }),
        (value) => parseJump(value) !== undefined,
        (value) => `expected a host such as user@gateway.example.org:22, got ${JSON.stringify(value)}`,
      ),
    ),
  },
  { description: "How to log in over SSH.", additionalProperties: false },
);

/** `ssh_config` as read from the file, with defaults filled in. */
export type SshConfigEntry = Static<typeof sshConfig>;
