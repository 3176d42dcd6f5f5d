/**
 * What the measures cost: requests for a job's state, answered with and without them. No network is between, which would
 * hide the difference, and each request asks the database once.
 *
 *     bun bench/metrics.ts [requests per round] [rounds]
 */
import { join } from "node:path";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { openJobStore } from "../adapters/job_store/build.ts";
import { BartenderMetrics } from "../adapters/metrics/bartender_metrics.ts";
import type { JobStore } from "../src/ports/job_store.ts";
import { edgeWorld } from "../tests/support/edge_world.ts";
import { recordingLogger } from "../tests/support/recording_logger.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
import { perSecond, ratio, report } from "./support/report.ts";

const requests = Number(process.argv[2] ?? 20_000);
const rounds = Number(process.argv[3] ?? 7);

using directory = tempDir();
const clock = systemClock();
const database = { kind: "sqlite", path: join(directory.path, "bartender.db") } as const;
const store = await openJobStore(database, { clock, logger: recordingLogger(), mayWrite: () => true });
const metrics = new BartenderMetrics(clock, { version: "bench", runtime: "bench" });
const job = await store.insert(
  { name: "input.zip", application: "wc", submitter: "alice", parameters: {}, upload: "u" },
  clock.nowMs(),
);

const quiet = { isDebugging: () => false, debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** Answers requests from `from`. */
async function asked(from: JobStore, changes: Parameters<typeof edgeWorld>[0] = {}) {
  const world = await edgeWorld({ logger: quiet, ...changes });
  world.jobs.get = async (id) => from.get(id);
  const headers = world.auth("alice");
  return async (): Promise<number> => {
    const startedMs = performance.now();
    for (let count = 0; count < requests; count++) {
      const answer = await world.app.request(`/api/job/${job.id}`, { headers });
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
    }
    return requests / ((performance.now() - startedMs) / 1000);
  };
}

const without = await asked(store);
const withMeasures = await asked(metrics.measureStore(store), { metrics: metrics.http });
const best = { without: 0, with: 0 };
// In turn, so that whatever else the machine does meets both.
for (let round = 0; round <= rounds; round++) {
  const [plain, measured] = [await without(), await withMeasures()];
  if (round === 0) continue;
  best.without = Math.max(best.without, plain);
  best.with = Math.max(best.with, measured);
}
metrics.close();
await store.close();
report(`GET /api/job/{id} in the process, without measures (${rounds} rounds of ${requests})`, perSecond(best.without));
report("with measures", perSecond(best.with));
report("ratio", ratio(best.with, best.without));
