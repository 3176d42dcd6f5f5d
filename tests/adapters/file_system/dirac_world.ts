import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import type { DiracClient, DiracClients } from "../../../adapters/dirac/dirac_clients.ts";
import { diracFileSystem } from "../../../adapters/file_system/dirac.ts";
import type { ProxyConfig, SshConfig } from "../../../src/config/config.ts";
import type { FileSystemWorld } from "../../conformance/file_system_suite.ts";
import { DIRAC_NAMES, type DiracServer } from "../../support/dirac_server.ts";
import { ownDiracClients } from "../../support/own_dirac_clients.ts";
import { type RecordingLogger, recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

export interface DiracFilesWorld extends FileSystemWorld {
  readonly server: DiracServer;
  readonly client: DiracClient;
  readonly clients: DiracClients;
  readonly logger: RecordingLogger;
  readonly incomingDir: string;
  /** Where files of DIRAC's commands are on this machine. */
  readonly stateDir: string;
  readonly lfnRoot: string;
}

export interface DiracFilesOptions {
  /** The machine with DIRAC's commands. Default: this one. */
  readonly ssh?: SshConfig;
  readonly storageElement?: string;
  readonly lfnRoot?: string;
  readonly proxy?: Partial<ProxyConfig>;
}

let worlds = 0;

/** The proxy that the server's user has already. */
export function proxyOf(server: DiracServer, changes: Partial<ProxyConfig> = {}): ProxyConfig {
  return {
    ...{ valid: undefined, certFile: server.certificates.user.cert, keyFile: server.certificates.user.key },
    ...{ group: DIRAC_NAMES.group, password: undefined, minLifeS: 1_800, logLevel: "INFO", file: server.proxyFile },
    ...changes,
  };
}

/** A file system with a directory of its own on the grid. */
export async function diracFilesWorld(server: DiracServer, options: DiracFilesOptions = {}): Promise<DiracFilesWorld> {
  const dir = tempDir();
  const at = (name: string): string => join(dir.path, name);
  for (const name of ["jobs", "nodes"]) mkdirSync(at(name));
  worlds += 1;
  const lfnRoot = options.lfnRoot ?? `${DIRAC_NAMES.lfnRoot}/files-${process.pid}-${worlds}`;
  const clock = systemClock();
  const logger = recordingLogger();
  const clients = ownDiracClients({ environment: server.environment, stateDir: at("dirac"), clock, logger });
  const config = { ssh: options.ssh, proxy: proxyOf(server, options.proxy) };
  const own = clients.lease(config);
  const fileSystem = diracFileSystem({
    lease: clients.lease(config),
    logs: clients.logs,
    lfnRoot,
    storageElement: options.storageElement ?? DIRAC_NAMES.storageElement,
    incomingDir: at("incoming"),
    clock,
    logger,
  });
  /** The directory of a job at its node, with what was sent there. */
  const nodeOf = async (remote: string): Promise<string> => {
    const node = join(at("nodes"), remote.replaceAll("/", "_"));
    if (existsSync(node)) return node;
    mkdirSync(node);
    const input = await fetched(server, `${remote}/input.tar`, at("nodes"));
    if (input !== undefined) execFileSync("tar", ["-xf", input, "-C", node]);
    return node;
  };
  return {
    ...{ fileSystem, server, client: own.client, clients, logger, lfnRoot },
    jobRoot: at("jobs"),
    incomingDir: at("incoming"),
    stateDir: at("dirac"),
    async writeRemote(remote, name, text) {
      const node = await nodeOf(remote);
      mkdirSync(dirname(join(node, name)), { recursive: true });
      writeFileSync(join(node, name), text);
      const list = join(node, ".changed");
      const changed = existsSync(list) ? readFileSync(list, "utf8") : "";
      writeFileSync(list, `${changed}./${name}\n`);
      // As the script of a job packs what it has changed.
      const archive = join(at("nodes"), "output.tar");
      execFileSync("tar", ["-cf", archive, "--format=gnu", "--no-recursion", "-C", node, "-T", list]);
      await stored(server, `${remote}/output.tar`, archive);
    },
    async readRemote(remote, name) {
      const input = await fetched(server, `${remote}/input.tar`, at("nodes"));
      if (input === undefined) return undefined;
      const place = mkdtempSync(join(at("nodes"), "read-"));
      execFileSync("tar", ["-xf", input, "-C", place]);
      const path = join(place, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    async [Symbol.asyncDispose]() {
      own.close();
      await fileSystem.close();
      dir[Symbol.dispose]();
    },
  };
}

/** A file of the grid, fetched by DIRAC's own command; undefined when there is none. */
export async function fetched(server: DiracServer, lfn: string, directory: string): Promise<string | undefined> {
  const place = mkdtempSync(join(directory, "fetched-"));
  const answer = await server.command("/bin/sh", "-c", 'cd "$1" && exec dirac-dms-get-file "$2"', "sh", place, lfn);
  const path = join(place, lfn.slice(lfn.lastIndexOf("/") + 1));
  if (answer.exitCode === 0 && existsSync(path)) return path;
  rmSync(place, { recursive: true });
  return undefined;
}

/** Stores a file on the grid by DIRAC's own command, in the place of what is there. */
export async function stored(server: DiracServer, lfn: string, path: string): Promise<void> {
  const args = ["-f", lfn, path, DIRAC_NAMES.storageElement];
  const { exitCode, stdout } = await server.command("dirac-dms-add-file", ...args);
  if (exitCode !== 0) throw new Error(`dirac-dms-add-file ${args.join(" ")}: ${exitCode}\n${stdout}`);
}
