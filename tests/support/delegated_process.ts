import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { attemptCgroups, delegatedCgroup } from "../../adapters/scheduler/attempt_cgroups.ts";
import { commandEnvironment } from "../../adapters/scheduler/command_environment.ts";
import { memoryScheduler } from "../../adapters/scheduler/memory.ts";
import type { AttemptTag } from "../../src/core/ids.ts";
import { eventually } from "./eventually.ts";
import { recordingLogger } from "./recording_logger.ts";

/**
 * Runs and cancels a command as a daemon does whose control group was delegated to it; prints what it saw as JSON.
 *
 * Arguments: a directory of its own, tag, command. The command is cancelled when the file `ready` is in its directory.
 */
const [directory = "", tag = "", command = ""] = process.argv.slice(2);
const signal = new AbortController().signal;

const own = delegatedCgroup();
const cgroups = own === undefined ? undefined : attemptCgroups(own);
const scheduler = memoryScheduler({
  controlDir: join(directory, "attempts"),
  environment: commandEnvironment(process.env, []),
  clock: systemClock(),
  logger: recordingLogger(),
  killGraceMs: 100,
  slots: 1,
  cgroups,
});
const jobDirectory = join(directory, "job");
mkdirSync(jobDirectory);
const job = { directory: jobDirectory, command, application: "tried", submitter: "somebody", resources: {} };
const id = await scheduler.submit(job, tag as AttemptTag, signal);
await eventually("the command", () => spawnSync("test", ["-e", join(jobDirectory, "ready")]).status === 0);
const before = cgroups?.members(tag).length;
await scheduler.cancel(id, signal);
const after = cgroups?.members(tag).length;
await scheduler.close();
process.stdout.write(JSON.stringify({ own, before, after }));
