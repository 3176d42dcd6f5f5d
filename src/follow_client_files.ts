import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { commandEnvironment } from "../adapters/scheduler/command_environment.ts";
import { clientAsker } from "../adapters/ssh/ask_client.ts";
import { ClientFileError } from "../adapters/ssh/client_options.ts";
import { type FollowedClient, followClient } from "../adapters/ssh/follow_client.ts";
import { serviceUser } from "../adapters/ssh/service_user.ts";
import type { FollowFiles } from "./cli/read_config.ts";
import type { Config, DestinationConfig, SshConfig } from "./config/config.ts";
import { messageOf } from "./core/errors.ts";
import type { CommandRunner } from "./ports/command_runner.ts";

/** What `Match exec` and paths of a client file may need beside what all commands see. */
const CLIENT_VARIABLES = ["SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"];

/** A configuration whose hosts are logged in to as the client files of OpenSSH say, where it does not say itself. */
export interface FollowedConfig {
  readonly config: Config;
  /** By destination; those without SSH are left out. */
  readonly findings: ReadonlyMap<string, ClientFindings>;
}

/** What came of the client files for a destination; for people, one line each. */
export interface ClientFindings {
  readonly followed: readonly string[];
  readonly warnings: readonly string[];
  /** Why the destination cannot be used. */
  readonly faults: readonly string[];
}

export interface FollowOptions {
  readonly runner: CommandRunner;
  /** Environment of the process. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/**
 * Follows the client files for all destinations. Nothing is connected.
 *
 * @param needs which destinations are going to be used; the others stay as they are. Default: all.
 */
export async function followClientFiles(
  config: Config,
  { runner, variables }: FollowOptions,
  needs: (name: string, destination: DestinationConfig) => boolean = () => true,
): Promise<FollowedConfig> {
  const homeDirectory = homedir();
  const environment = { ...commandEnvironment(variables, CLIENT_VARIABLES), HOME: homeDirectory };
  const surroundings = {
    asker: clientAsker({
      ...{ runner, environment },
      files: { user: join(homeDirectory, ".ssh", "config"), system: "/etc/ssh/ssh_config" },
    }),
    ...{ homeDirectory, environment, machine: hostname(), serviceUser },
  };
  const known = new Map<string, Promise<FollowedClient | ClientFileError>>();
  const ask = (ssh: SshConfig): Promise<FollowedClient | ClientFileError> => {
    const key = JSON.stringify(ssh);
    const asked = known.get(key) ?? followClient(ssh, surroundings, new AbortController().signal).catch(asFault);
    known.set(key, asked);
    return asked;
  };

  const destinations = new Map<string, DestinationConfig>();
  const findings = new Map<string, ClientFindings>();
  for (const [name, destination] of config.destinations) {
    const found = new Set<FollowedClient | ClientFileError>();
    const follow = async <Part extends { readonly type: string }>(part: Part): Promise<Part> => {
      if (!hasSsh(part) || !needs(name, destination)) return part;
      const answer = await ask(part.ssh);
      found.add(answer);
      return answer instanceof ClientFileError ? part : { ...part, ssh: answer.config };
    };
    const { scheduler, fileSystem } = destination;
    destinations.set(name, {
      ...destination,
      scheduler: await follow(scheduler),
      fileSystem: await follow(fileSystem),
    });
    if (found.size > 0) findings.set(name, merged([...found]));
  }
  return { config: { ...config, destinations }, findings };
}

/** The same for commands: findings become lines with the key that they are about. */
export function clientFilesFollower(options: FollowOptions): FollowFiles {
  return async (config, needs) => {
    const followed = await followClientFiles(config, options, (name, { scheduler }) => needs(name, scheduler.type));
    const lines = (of: (found: ClientFindings) => readonly string[]) =>
      [...followed.findings].flatMap(([name, found]) => of(found).map((text) => `destinations.${name}: ${text}`));
    return {
      config: followed.config,
      warnings: lines(({ warnings }) => warnings),
      faults: lines(({ faults }) => faults),
    };
  };
}

function hasSsh<Part extends object>(part: Part): part is Part & { readonly ssh: SshConfig } {
  return "ssh" in part && part.ssh !== undefined;
}

/** Also of what has nothing to do with the files, such as a full disk: it must not end a daemon that reloads. */
function asFault(error: unknown): ClientFileError {
  if (error instanceof ClientFileError) return error;
  return new ClientFileError(`The client files of OpenSSH could not be followed: ${messageOf(error)}`, error);
}

function merged(answers: readonly (FollowedClient | ClientFileError)[]): ClientFindings {
  const lines = (of: (answer: FollowedClient) => readonly string[]) => [
    ...new Set(answers.flatMap((answer) => (answer instanceof ClientFileError ? [] : of(answer)))),
  ];
  return {
    followed: lines(({ followed }) => followed),
    warnings: lines(({ warnings }) => warnings),
    faults: [...new Set(answers.flatMap((answer) => (answer instanceof ClientFileError ? [answer.message] : [])))],
  };
}
