import { existsSync, readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Destination } from "../../actors/destination.ts";
import type { JobWorld } from "../../actors/job_effects.ts";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import { diracClients } from "../../adapters/dirac/dirac_clients.ts";
import { buildFileSystem } from "../../adapters/file_system/build.ts";
import { pinoLogger } from "../../adapters/logger/pino_logger.ts";
import { sshPool } from "../../adapters/ssh/ssh_pool.ts";
import { type DaemonInput, runServe } from "../../src/cli/serve.ts";
import type { FileSystemConfig } from "../../src/config/config.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { startDaemon } from "../../src/daemon.ts";
import { placesOf } from "../../src/places.ts";
import { serviceManager } from "../../src/runtime/sd_notify.ts";
import { onStopSignals } from "../../src/runtime/signals.ts";
import { COPIES_FILE, hurriedClock, steppedClock, withFaults } from "./fault_points.ts";

/*
 * `bartender serve` with faults on purpose. FAULTS names a directory with the files that fault_points.ts describes; they
 * are read at each point, so a fault can be armed while the daemon runs. Nothing but this file knows that variable.
 */
const directory = process.env.FAULTS ?? "";
const io = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
  cwd: process.cwd(),
  env: process.env,
};
const result = readEnvironment(process.env, io.cwd);
if (!result.isValid) throw new Error(result.faults.join("\n"));
const { environment } = result;
const stopRequested = new Promise<string>((resolve) => {
  onStopSignals(resolve, () => process.exit(1));
});
const status = await runServe(
  {
    config: undefined,
    isStandby: false,
    environment,
    clock: hurriedClock(steppedClock(systemClock(), directory), directory),
    logger: pinoLogger(environment.logLevel),
    random: Math.random,
    manager: serviceManager({}, () => {}),
    // No client file of whoever runs the tests.
    follow: async (config) => ({ config, warnings: [], faults: [] }),
    start: (input) => startDaemon(input, (world) => withFaults(withCopies(world, input), directory)),
    stopRequested,
    onReload: () => {},
  },
  io,
);
process.exit(status);

/** Commands of this machine have the daemon's own files; with a file system to copy to they stand in for a cluster. */
function withCopies(world: JobWorld, { config, clock, logger, random }: DaemonInput): JobWorld {
  const copiesFile = join(directory, COPIES_FILE);
  if (!existsSync(copiesFile)) return world;
  const copies = JSON.parse(readFileSync(copiesFile, "utf8")) as FileSystemConfig;
  const ssh = sshPool({
    sources: { homeDirectory: homedir(), agentSocket: undefined },
    serviceUser: () => userInfo().username,
    ...{ clock, logger, random },
  });
  const { incomingDir, diracDir } = placesOf(config);
  const runner = localCommandRunner({ clock, logger });
  const dirac = diracClients({ runner, ssh, environment: {}, stateDir: diracDir, clock, logger });
  const withOne = (destination: Destination): Destination => {
    return { ...destination, fileSystem: buildFileSystem(copies, { incomingDir, ssh, dirac, clock, logger }) };
  };
  return { ...world, destinations: new Map([...world.destinations].map(([name, found]) => [name, withOne(found)])) };
}
