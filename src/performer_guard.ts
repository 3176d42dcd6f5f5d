import process from "node:process";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { pinoLogger } from "../adapters/logger/pino_logger.ts";
import { attemptCgroups, delegatedCgroup } from "../adapters/scheduler/attempt_cgroups.ts";
import { attemptFiles } from "../adapters/scheduler/attempt_files.ts";
import { memoryScheduler } from "../adapters/scheduler/memory.ts";
import { processTable } from "../adapters/scheduler/process_table.ts";
import { guardCommands } from "../adapters/scheduler/redis/guard_commands.ts";
import { lifeFiles } from "../adapters/scheduler/redis/life_file.ts";
import { homePlaces, recordsIn } from "../adapters/scheduler/redis/performer_home.ts";

/*
 * A process beside each performer, so that its commands end in time also when it is killed or stands still.
 *
 * Arguments: home of the performer, its process id, milliseconds between SIGTERM and SIGKILL.
 */
const [home = "", performer = "", killGraceMs = ""] = process.argv.slice(2);

const clock = systemClock();
// Standard output is the performer's.
const logger = pinoLogger("info", { write: (text) => process.stderr.write(text) });
const { controlDir } = homePlaces(home);
const table = processTable();
const born = table.read(Number(performer))?.startTicks;
const files = attemptFiles(controlDir);
const parent = delegatedCgroup();
const runner = memoryScheduler({
  controlDir,
  environment: {},
  cgroups: parent === undefined ? undefined : attemptCgroups(parent),
  slots: 1,
  killGraceMs: Number(killGraceMs),
  clock,
  logger,
});
// Whoever stops the performer does not mean the guard.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => undefined);
await guardCommands({
  life: lifeFiles(home, logger),
  pid: process.pid,
  records: () => recordsIn(controlDir),
  claim: (tag) => files.claim(tag, process.pid, files.headOf(table.bootId, home)),
  runner,
  isPerformerAlive: () => born !== undefined && table.read(Number(performer))?.startTicks === born,
  clock,
  logger,
});
process.exit(0);
