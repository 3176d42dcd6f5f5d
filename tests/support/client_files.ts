import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import { clientAsker } from "../../adapters/ssh/ask_client.ts";
import { type FollowedClient, followClient } from "../../adapters/ssh/follow_client.ts";
import type { SshConfig } from "../../src/config/config.ts";
import { recordingLogger } from "./recording_logger.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

/** OpenSSH client files of the test's own; the real ones are never read. */
export interface ClientFilesWorld extends TempDir {
  /** The home directory. */
  readonly path: string;
  readonly userFile: string;
  readonly systemFile: string;
  /** Writes the file of the user. */
  write(text: string): void;
  writeSystem(text: string): void;
  follow(config: Partial<SshConfig>, variables?: Readonly<Record<string, string>>): Promise<FollowedClient>;
}

/** What our own configuration says that names only the host. */
export const BARE: SshConfig = {
  hostname: "host",
  port: undefined,
  username: undefined,
  password: undefined,
  privateKeyFile: undefined,
  passphrase: undefined,
  knownHostsFile: undefined,
  isHostKeyChecked: true,
  proxyJump: undefined,
};

/** The login of the service's user there. */
export const SERVICE_USER = "service";

export function clientFilesWorld(): ClientFilesWorld {
  const dir = tempDir();
  const homeDirectory = dir.path;
  const files = { user: join(homeDirectory, ".ssh", "config"), system: join(homeDirectory, "ssh_config") };
  mkdirSync(join(homeDirectory, ".ssh"));
  const runner = localCommandRunner({ clock: systemClock(), logger: recordingLogger() });
  const write = (path: string, text: string): void => writeFileSync(path, text, { mode: 0o644 });
  return {
    ...dir,
    userFile: files.user,
    systemFile: files.system,
    write: (text) => write(files.user, text),
    writeSystem: (text) => write(files.system, text),
    follow(config, variables = {}) {
      const environment = { PATH: process.env.PATH ?? "", HOME: homeDirectory, ...variables };
      const asker = clientAsker({ runner, files, environment });
      const serviceUser = () => SERVICE_USER;
      const surroundings = { asker, homeDirectory, serviceUser, machine: "machine.lab", environment };
      return followClient({ ...BARE, ...config }, surroundings, new AbortController().signal);
    },
  };
}
