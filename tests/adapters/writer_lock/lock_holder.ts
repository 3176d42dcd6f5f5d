/** A process that takes the writer lock of a database, says so, and holds it until it is killed. */
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { buildWriterLock } from "../../../adapters/writer_lock/build.ts";
import { recordingLogger } from "../../support/recording_logger.ts";

const database = JSON.parse(process.argv[2] ?? "");
const answer = await buildWriterLock(database, { clock: systemClock(), logger: recordingLogger() }).tryAcquire();
process.stdout.write(`${JSON.stringify(answer)}\n`);
// Kept in use: when nobody refers to it any more, its database may be closed, and the lock with it.
setInterval(() => answer, 60_000);
