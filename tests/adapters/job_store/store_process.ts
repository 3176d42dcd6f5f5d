/**
 * A process that uses a job store, to be killed or starved by a test. Run as `bun store_process.ts <mode> <path>`;
 * it writes a line to standard output for everything that the store has promised.
 */
import { writeSync } from "node:fs";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import { BartenderError } from "../../../src/core/errors.ts";
import type { Job } from "../../../src/core/job.ts";
import type { JobStore } from "../../../src/ports/job_store.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { progressIn } from "../../support/job_builder.ts";
import { recordingLogger } from "../../support/recording_logger.ts";

const [mode, path = ""] = process.argv.slice(2);
const store = await openJobStore({ kind: "sqlite", path }, { logger: recordingLogger(), hasWriterThread: true });

switch (mode) {
  case "open":
    say(store.instanceId);
    break;
  case "write":
    // Several at a time, so that commits hold more than one write.
    await Promise.all(Array.from({ length: 8 }, (_, worker) => writeForEver(store, worker)));
    break;
  case "fill":
    await fillDisk(store);
    break;
  default:
    throw new Error(`mode: expected open, write or fill, got "${mode}"`);
}
await store.close();

function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(" ")}\n`);
}

async function writeForEver(to: JobStore, worker: number): Promise<never> {
  for (let round = 0; ; round++) {
    let job = await to.insert(newJob({ name: `${worker}` }), round);
    say("saved", job.id, job.version);
    for (const phase of ["waiting", "running", "finished"] as const) {
      job = await to.save({ ...job, progress: progressIn(phase) }, round);
      say("saved", job.id, job.version);
    }
    if (round % 4 === 0) {
      say("removing", job.id);
      await to.remove(job.id);
      say("removed", job.id);
    }
  }
}

async function fillDisk(to: JobStore): Promise<void> {
  let refused = 0;
  while (refused < 10) {
    const parameters = { text: "x".repeat(20_000) };
    const inserts: Promise<Job>[] = [];
    for (let count = 0; count < 5; count++) inserts.push(to.insert(newJob({ parameters }), 0));
    for (const result of await Promise.allSettled(inserts)) {
      if (result.status === "fulfilled") {
        say("saved", result.value.id, result.value.version);
      } else {
        refused++;
        say("refused", result.reason instanceof BartenderError ? result.reason.code : "other", `${result.reason}`);
      }
    }
  }
}
