import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ProxyConfig, SshConfig } from "../../src/config/config.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { CommandRunner } from "../../src/ports/command_runner.ts";
import type { Credential } from "../../src/ports/credential.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { sshCommandRunner } from "../command_runner/ssh.ts";
import { sharedLeases } from "../ssh/shared_leases.ts";
import type { SshPool } from "../ssh/ssh_pool.ts";
import { diracProxy } from "./dirac_proxy.ts";
import { type DiracScratch, diracScratch } from "./dirac_scratch.ts";
import { type DiracTools, diracTools } from "./dirac_tools.ts";
import { type RescuedLogs, rescuedLogs } from "./rescued_logs.ts";

/** A machine with DIRAC's commands, used as the holder of one proxy. */
export interface DiracClient {
  readonly tools: DiracTools;
  readonly scratch: DiracScratch;
  readonly proxy: ProxyConfig;
  /** The proxy, for who keeps it usable. Works as long as the client is leased. */
  readonly credential: Credential;
  /** The machine in messages: `this machine`, or `user@host:22`. */
  readonly where: string;
  /** Where the proxy is kept, absolute on that machine, in a directory that exists; the file need not. */
  proxyFile(signal: AbortSignal): Promise<string>;
}

/** A share of a client. */
export interface DiracLease {
  readonly client: DiracClient;
  /** Lets go of the client with its last lease. Idempotent. */
  close(): void;
}

/** Makes sure that all parts of the daemon that use the same proxy on the same machine share one client. */
export interface DiracClients {
  /** @param ssh the machine with DIRAC's commands; undefined: this one */
  lease(config: { readonly ssh: SshConfig | undefined; readonly proxy: ProxyConfig }): DiracLease;
  /** Where files about DIRAC are kept on this machine; absolute. */
  readonly stateDir: string;
  /** Logs that the scheduler leaves to the file system. */
  readonly logs: RescuedLogs;
  /** Those that are leased at this moment. */
  clients(): readonly DiracClient[];
}

export interface DiracClientsOptions {
  /** Runs commands on this machine. */
  readonly runner: CommandRunner;
  readonly ssh: SshPool;
  /** Of DIRAC's commands on this machine. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where files about DIRAC are kept on this machine; absolute, made when missing. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

// On another host it is below the home directory, which only the log-in knows.
const HOME = `case $1 in "") cd && d=$PWD/.bartender/dirac;; *) d=$1;; esac && mkdir -p -m 700 -- "$d" && printf %s "$d"`;

export function diracClients(options: DiracClientsOptions): DiracClients {
  const shared = sharedLeases<DiracClient>();
  let opened = 0;

  const open = (ssh: SshConfig | undefined, proxy: ProxyConfig) => {
    const { clock } = options;
    const lease = ssh === undefined ? undefined : options.ssh.lease(ssh);
    const connection = lease?.connection;
    const where = connection?.name ?? "this machine";
    let known: Promise<string> | undefined;
    const home = (signal: AbortSignal): Promise<string> => {
      known ??= tools
        .shell(HOME, [connection === undefined ? options.stateDir : ""], signal)
        .catch((error: unknown) => {
          known = undefined;
          throw error;
        });
      return known;
    };
    const proxyFile = async (signal: AbortSignal): Promise<string> =>
      proxy.file ?? `${await home(signal)}/${defaultProxyName(proxy)}`;
    const tools: DiracTools = diracTools({
      runner: connection === undefined ? options.runner : sshCommandRunner({ connection, clock }),
      environment: connection === undefined ? options.environment : {},
      where,
      proxyFile,
    });
    const scratch = diracScratch({ tools, home, connection, where, clock });
    // Settings that only differ in the password are other ones, but no id may tell anything about a password.
    opened += 1;
    const id = `dirac-proxy-${opened}`;
    const credential = diracProxy({ id, tools, config: proxy, proxyFile, where, logger: options.logger });
    return {
      value: { tools, scratch, proxy, credential, where, proxyFile },
      release: () => lease?.close(),
    };
  };

  return {
    stateDir: options.stateDir,
    logs: rescuedLogs(join(options.stateDir, "logs")),
    lease({ ssh, proxy }) {
      const { value: client, close } = shared.lease(JSON.stringify([ssh, proxy]), () => open(ssh, proxy));
      return { client, close };
    },
    clients: () => shared.values(),
  };
}

/** The same for the same proxy, after a restart too; the password stays out of a name that others may see. */
function defaultProxyName({ password: _, ...proxy }: ProxyConfig): string {
  return `proxy-${createHash("sha256").update(JSON.stringify(proxy)).digest("hex").slice(0, 16)}.pem`;
}
