/**
 * A listing of many files, in one directory and in many, beside `find`; and the delay of /api/health meanwhile.
 *
 *     bun bench/listing.ts [files]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { benchDaemon, finishedJob } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { download, produce } from "./support/measured_download.ts";
import { ratio, report } from "./support/report.ts";
import { forgetPeak, residentMb } from "./support/resident_memory.ts";

const files = Number(process.argv[2] ?? 99_000);

await using daemon = await benchDaemon();
const id = await finishedJob(daemon);
const token = await daemon.token();
const jobDir = `${daemon.directory}/jobs/${id}`;
mkdirSync(`${jobDir}/flat`);
for (let n = 0; n < files; n++) writeFileSync(`${jobDir}/flat/structure_${(n * 7919) % files}.pdb`, "");
const perDirectory = Math.ceil(Math.sqrt(files) / 2);
for (let n = 0; n < files - files / perDirectory; n++) {
  const directory = `${jobDir}/nested/module_${Math.floor(n / perDirectory)}`;
  if (n % perDirectory === 0) mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/structure_${n}.pdb`, "");
}

for (const tree of ["flat", "nested"]) {
  const url = `${daemon.url}/api/job/${id}/directories/${tree}?max_depth=9`;
  await download(url, token);
  const before = residentMb(daemon.pid).now;
  forgetPeak(daemon.pid);
  const [ours, health] = await probeHealth(Number(new URL(daemon.url).port), () => download(url, token));
  const extra = residentMb(daemon.pid).peak - before;
  // What a listing shows: kinds, and what links lead to, sorted.
  const reference = await produce("sh", ["-c", "find . -printf '%y %Y %P\\n' | LC_ALL=C sort"], `${jobDir}/${tree}`);
  report(`${files} items, ${tree}`, `${(ours.seconds * 1000).toFixed(0)} ms, ${extra.toFixed(0)} MB more memory`);
  report("/api/health meanwhile", `p50 ${health.p50Ms.toFixed(1)} ms, longest ${health.maxMs.toFixed(1)} ms`);
  report("find | sort", `${(reference.seconds * 1000).toFixed(0)} ms`);
  report("ratio", ratio(reference.seconds, ours.seconds));
}
