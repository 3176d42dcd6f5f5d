import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { SQL } from "bun";

/** What the program of this file takes as its argument, in JSON. */
export interface PilotsOptions {
  /** For the working directories of pilots, with a log in each. */
  readonly directory: string;
  readonly configurationFile: string;
  readonly databasePort: number;
  /** How many jobs run at a time. */
  readonly places: number;
}

const LOOK_AGAIN_MS = 200;

interface Pilot {
  readonly child: ChildProcess;
  readonly directory: string;
}

/**
 * The computers of the grid: sends a pilot for each waiting job, as long as there are places. A pilot fetches a job, runs
 * it and ends. On a grid DIRAC's site director does this; pilots that wait for jobs would take seconds to notice
 * the next one, and much of a small machine.
 */
async function sendPilots(options: PilotsOptions): Promise<void> {
  const database = new SQL(`mysql://Dirac:Dirac@127.0.0.1:${options.databasePort}/JobDB`, { max: 1 });
  const pilots = new Set<Pilot>();
  let isStopping = false;
  process.once("SIGTERM", () => {
    isStopping = true;
  });
  const send = (): void => {
    const directory = mkdtempSync(join(options.directory, "pilot-"));
    mkdirSync(join(directory, "etc"));
    symlinkSync(options.configurationFile, join(directory, "etc", "dirac.cfg"));
    const log = openSync(join(directory, "log"), "a");
    const agent = "/Systems/WorkloadManagement/Production/Agents/JobAgent";
    const child = spawn("dirac-agent", ["WorkloadManagement/JobAgent", "-o", `${agent}/MaxCycles=1`], {
      cwd: directory,
      env: { ...process.env, DIRAC_ROOT_PATH: directory },
      stdio: ["ignore", log, log],
    });
    const pilot = { child, directory };
    pilots.add(pilot);
    child.once("exit", () => pilots.delete(pilot));
  };
  const onTheWay = (): number => [...pilots].filter(({ directory }) => !hasJob(directory)).length;
  while (!isStopping) {
    const [row] = await database`select count(*) as waiting from Jobs where Status = 'Waiting'`;
    const wanted = Number(row?.waiting ?? 0) - onTheWay();
    for (let n = Math.min(wanted, options.places - pilots.size); n > 0; n--) send();
    await Bun.sleep(LOOK_AGAIN_MS);
  }
  // They could still get a job, of those that come when this has ended.
  while (onTheWay() > 0) await Bun.sleep(LOOK_AGAIN_MS);
}

/** A pilot writes the description of its job into its directory. */
function hasJob(directory: string): boolean {
  return existsSync(directory) && readdirSync(directory).some((name) => name.endsWith(".jdl"));
}

if (import.meta.main) {
  console.log("ready");
  await sendPilots(JSON.parse(process.argv[2] ?? ""));
  // Pilots with jobs go on.
  process.exit();
}
