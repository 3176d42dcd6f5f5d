/**
 * The list of somebody with very many finished jobs, beside that of somebody with few and with each filter; and how long
 * it takes to look for a name that none of them has, with the delay of /api/health meanwhile.
 *
 *     bun bench/filters.ts [jobs]
 */
import { DatabaseSync } from "node:sqlite";
import { benchDaemon } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { httpLoad, requestBytes } from "./support/http_load.ts";
import { ratio, report } from "./support/report.ts";

const jobs = Number(process.argv[2] ?? 1_000_000);
const FEW = 200;

await using daemon = await benchDaemon();
const tokens = { many: await daemon.token({ sub: "many" }), few: await daemon.token({ sub: "few" }) };
await daemon.stop();
fill("many", jobs);
fill("few", FEW);
await daemon.restart();
const port = Number(new URL(daemon.url).port);

const few = await measure("few", "limit=100");
report(`100 of ${FEW} jobs`, `p50 ${few.p50Ms.toFixed(2)} ms, p99 ${few.p99Ms.toFixed(2)} ms`);
const filters = [
  "",
  "&state=error",
  "&state=ok&state=error",
  "&application=rare",
  "&application=rare&state=error",
  "&name=T_9",
  `&before=${Math.round(jobs / 2)}`,
];
for (const filter of filters) {
  const many = await measure("many", `limit=100${filter}`);
  report(`100 of ${jobs} jobs ${filter}`, `p50 ${many.p50Ms.toFixed(2)} ms, p99 ${many.p99Ms.toFixed(2)} ms`);
  report("ratio", ratio(many.p50Ms, few.p50Ms));
}
const [far, health] = await probeHealth(port, () => measure("many", "name=in+no+name", 5));
report(`a name that none of ${jobs} jobs has`, `p50 ${far.p50Ms.toFixed(0)} ms`);
report("/api/health meanwhile", `p50 ${health.p50Ms.toFixed(1)} ms, longest ${health.maxMs.toFixed(1)} ms`);

function measure(submitter: keyof typeof tokens, query: string, requests = 300) {
  const headers = { Authorization: `Bearer ${tokens[submitter]}` };
  const request = requestBytes(`GET /api/job/?${query} HTTP/1.1`, headers);
  return httpLoad({ port, connections: 1, requests, request: () => request, expected: 200 });
}

/** Every 100th job failed, and every 1000th belongs to another application. */
function fill(submitter: string, count: number): void {
  const database = new DatabaseSync(`${daemon.directory}/bartender.db`);
  const progress = (isOk: boolean) =>
    JSON.stringify({
      phase: "finished",
      placement: { destination: "local", isStaged: false },
      schedulerJobId: "bartender-1",
      outcome: { isOk, returnCode: isOk ? 0 : 1, reason: null },
    });
  const now = new Date().toISOString();
  database
    .prepare(`
      insert into job (name, application, state, submitter, destination, created_on, updated_on, saved_on, phase, progress)
      with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
      select 'input_' || i || '.zip', iif(i % 1000 = 0, 'rare', 'noop'), iif(i % 100 = 0, 'error', 'ok'), ?, 'local',
        ?, ?, ?, 'finished', iif(i % 100 = 0, ?, ?) from n`)
    .run(count, submitter, now, now, now, progress(false), progress(true));
  database.close();
}
