/**
 * Stage in and out of one job on a private DIRAC server, beside the bare commands of DIRAC for the same archive.
 *
 * Ours includes packing, sums, scratch directories, unpacking with all checks, and putting the files in place.
 *
 *     bun bench/dirac_files.ts [megabytes] [rounds]
 */
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { diracFileSystem } from "../adapters/file_system/dirac.ts";
import { jobId } from "../src/core/ids.ts";
import { DIRAC_NAMES, startDiracServer } from "../tests/support/dirac_server.ts";
import { ownDiracClients } from "../tests/support/own_dirac_clients.ts";
import { recordingLogger } from "../tests/support/recording_logger.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
import { ratio, report } from "./support/report.ts";

const megabytes = Number(process.argv[2] ?? 100);
const rounds = Number(process.argv[3] ?? 3);
const FILES = 10;

const server = await startDiracServer();
try {
  using dir = tempDir();
  const [clock, logger] = [systemClock(), recordingLogger()];
  const stateDir = join(dir.path, "dirac");
  const clients = ownDiracClients({ environment: server.environment, stateDir, clock, logger });
  const proxy = {
    ...{ valid: undefined, certFile: undefined, keyFile: undefined, group: DIRAC_NAMES.group, password: undefined },
    ...{ minLifeS: 0, logLevel: "INFO", file: server.proxyFile },
  };
  const lfnRoot = `${DIRAC_NAMES.lfnRoot}/bench`;
  const fileSystem = diracFileSystem({
    lease: clients.lease({ ssh: undefined, proxy }),
    ...{ logs: clients.logs, lfnRoot, storageElement: DIRAC_NAMES.storageElement },
    incomingDir: join(dir.path, "incoming"),
    ...{ clock, logger },
  });
  const job = join(dir.path, "job");
  mkdirSync(job);
  const content = new Uint8Array((megabytes * 1_000_000) / FILES);
  for (let file = 0; file < FILES; file++) writeFileSync(join(job, `file${file}`), randomFillSync(content));
  const archive = join(dir.path, "bare.tar");
  execFileSync("tar", ["-cf", archive, "-C", job, "."]);
  const signal = new AbortController().signal;
  const times = { ownIn: 0, bareIn: 0, ownOut: 0, bareOut: 0 };
  const timed = async (name: keyof typeof times, work: () => Promise<unknown>): Promise<void> => {
    const fromMs = performance.now();
    await work();
    times[name] += (performance.now() - fromMs) / 1000 / rounds;
  };
  const bare = async (...[program, ...args]: readonly [string, ...string[]]): Promise<void> => {
    const { exitCode, stdout } = await server.command(program, ...args);
    if (exitCode !== 0) throw new Error(`${program}: ${stdout}`);
  };
  for (let round = 1; round <= rounds; round++) {
    const remote = fileSystem.locate(jobId(round), job);
    await timed("ownIn", () => fileSystem.upload(job, remote, signal));
    const lfn = `${remote}/output.tar`;
    await timed("bareIn", () => bare("dirac-dms-add-file", lfn, archive, DIRAC_NAMES.storageElement));
    await timed("ownOut", () => fileSystem.download(remote, job, signal));
    await timed("bareOut", () => bare("dirac-dms-get-file", lfn));
    await fileSystem.remove(remote, signal);
  }
  await fileSystem.close();
  report(`${megabytes} MB in`, `${times.ownIn.toFixed(2)} s`);
  report("dirac-dms-add-file", `${times.bareIn.toFixed(2)} s`);
  report("ratio", ratio(times.bareIn, times.ownIn));
  report(`${megabytes} MB out`, `${times.ownOut.toFixed(2)} s`);
  report("dirac-dms-get-file", `${times.bareOut.toFixed(2)} s`);
  report("ratio", ratio(times.bareOut, times.ownOut));
} finally {
  await server.close();
}
