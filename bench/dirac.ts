/**
 * What following jobs of a DIRAC grid costs: the commands that one look at all of them takes, and their time, for few and
 * for many jobs with a private DIRAC server whose computers are switched off; beside one command per job.
 *
 *     bun bench/dirac.ts [jobs] [looks]
 */
import { join } from "node:path";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../adapters/command_runner/local.ts";
import { diracEnvironment } from "../adapters/dirac/dirac_environment.ts";
import { diracScheduler } from "../adapters/scheduler/dirac/dirac.ts";
import { idOfNumberedJob } from "../adapters/scheduler/numbered_job.ts";
import type { CommandRunner } from "../src/ports/command_runner.ts";
import { proxyOf } from "../tests/adapters/file_system/dirac_world.ts";
import { DIRAC_NAMES, startDiracServer } from "../tests/support/dirac_server.ts";
import { ownDiracClients } from "../tests/support/own_dirac_clients.ts";
import { recordingLogger } from "../tests/support/recording_logger.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
import { report } from "./support/report.ts";

const jobs = Number(process.argv[2] ?? 200);
const looks = Number(process.argv[3] ?? 12);
const FEW = 10;

const signal = new AbortController().signal;
using dir = tempDir();
const server = await startDiracServer({ places: 1 });
try {
  await server.pilots.stop();
  const tags = Array.from({ length: jobs }, (_, index) => `bartender-bench-${index + 1}-1`);
  const descriptions = tags.map((tag) => `[JobName="${tag}"; Executable="/bin/true";]`);
  const { stdout } = await server.command("dirac-wms-job-submit", ...descriptions);
  const numbers = [...stdout.matchAll(/^JobID = (\d+)$/gm)].map((match) => Number(match[1]));
  if (numbers.length !== jobs) throw new Error(`Only ${numbers.length} of ${jobs} jobs were taken`);
  const ids = numbers.map((number, index) => idOfNumberedJob(number, tags[index] ?? ""));

  const clock = systemClock();
  const logger = recordingLogger();
  let commands = 0;
  const local = localCommandRunner({ clock, logger });
  const runner: CommandRunner = {
    run(command, aborted) {
      commands += 1;
      return local.run(command, aborted);
    },
  };
  const clients = ownDiracClients({
    ...{ runner, environment: diracEnvironment(server.environment) },
    ...{ stateDir: join(dir.path, "dirac"), clock, logger },
  });
  const { client } = clients.lease({ ssh: undefined, proxy: proxyOf(server) });
  const scheduler = diracScheduler({
    ...{ client, logs: clients.logs, marksDir: join(dir.path, "submitted"), clock, logger },
    ...{ storageElement: DIRAC_NAMES.storageElement, apptainerImage: undefined, cpuTimeS: undefined, maxJobs: jobs },
    ...{ platform: undefined, sites: [], bannedSites: [], tags: [], processors: undefined },
  });
  // The first one asks where files of Bartender go.
  await scheduler.statuses(ids, signal);
  const look = async (count: number): Promise<number> => {
    const fromMs = performance.now();
    commands = 0;
    for (let done = 0; done < looks; done++) {
      const statuses = await scheduler.statuses(ids.slice(0, count), signal);
      if (statuses.size !== count) throw new Error(`Only ${statuses.size} of ${count} jobs were seen`);
    }
    const ms = (performance.now() - fromMs) / looks;
    report(`one look at ${count} jobs`, `${commands / looks} commands, ${(ms / 1000).toFixed(1)} s`);
    return ms;
  };
  const fewMs = await look(FEW);
  const manyMs = await look(jobs);
  report(`time of ${jobs} jobs beside ${FEW}`, `${((100 * manyMs) / fewMs).toFixed(0)} %`);
  const fromMs = performance.now();
  for (const number of numbers.slice(0, FEW)) await server.command("dirac-wms-job-status", String(number));
  const eachMs = (performance.now() - fromMs) / FEW;
  report("one command per job", `${jobs} commands, ${((eachMs * jobs) / 1000).toFixed(0)} s`);
  report("ratio of the times", `1 : ${((eachMs * jobs) / manyMs).toFixed(0)}`);
} finally {
  await server.close();
}
