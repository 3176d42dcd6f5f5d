import { systemClock } from "../../adapters/clock/system_clock.ts";
import { commandEnvironment } from "../../adapters/scheduler/command_environment.ts";
import { memoryScheduler } from "../../adapters/scheduler/memory.ts";
import type { AttemptTag } from "../../src/core/ids.ts";
import { recordingLogger } from "./recording_logger.ts";

/**
 * A process to be killed: submits one job, prints its id and stays.
 *
 * Arguments: control directory, job directory, tag, command.
 */
const [controlDir = "", directory = "", tag = "", command = ""] = process.argv.slice(2);

const scheduler = memoryScheduler({
  controlDir,
  environment: commandEnvironment(process.env, []),
  clock: systemClock(),
  logger: recordingLogger(),
  slots: 1,
});
process.stdout.write("ready\n");
const job = { directory, command, application: "tried", submitter: "somebody", resources: {} };
const id = await scheduler.submit(job, tag as AttemptTag, new AbortController().signal);
process.stdout.write(`${id}\n`);
setInterval(() => {}, 60_000);
