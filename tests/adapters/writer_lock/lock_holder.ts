/** A process that takes the writer lock of a database, says so, and holds it until it is killed. */
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { buildWriterLock } from "../../../adapters/writer_lock/build.ts";
import { recordingLogger } from "../../support/recording_logger.ts";

const database = JSON.parse(process.argv[2] ?? "");
const answer = await buildWriterLock(database, { clock: systemClock(), logger: recordingLogger() }).tryAcquire();
process.stdout.write(`${JSON.stringify(answer)}\n`);
setInterval(() => {}, 60_000);
