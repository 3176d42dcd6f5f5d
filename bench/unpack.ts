/**
 * Archives of many small files and of one large file, through the real upload until the job is accepted, beside
 * `unzip` on the same archives.
 *
 *     bun bench/unpack.ts [small files] [MB of the large file] [rounds]
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tempDir } from "../tests/support/temp_dir.ts";
import { benchDaemon, finishedJob } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { produce } from "./support/measured_download.ts";
import { upload } from "./support/measured_upload.ts";
import { ratio, report } from "./support/report.ts";
import { forgetPeak, residentMb } from "./support/resident_memory.ts";
import { sampleText } from "./support/sample_text.ts";

const smallFiles = Number(process.argv[2] ?? 20_000);
const largeMb = Number(process.argv[3] ?? 500);
const rounds = Number(process.argv[4] ?? 3);

using dir = tempDir();
const here = dir.path;
for (let n = 0; n < smallFiles; n++) {
  const directory = `${here}/small/d${Math.floor(n / 200)}`;
  if (n % 200 === 0) mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/f${n}.pdb`, sampleText(1000 + ((n * 37) % 5000)));
}
mkdirSync(`${here}/large`);
for (let mb = 0; mb < largeMb; mb++) {
  writeFileSync(`${here}/large/trajectory.dat`, sampleText(1_000_000), { flag: "a" });
}
for (const tree of ["small", "large"]) await produce("zip", ["-qr", `../${tree}.zip`, "."], `${here}/${tree}`);

await using daemon = await benchDaemon();
const token = await daemon.token();
const port = Number(new URL(daemon.url).port);
await finishedJob(daemon);

let id = 1;
for (const tree of ["small", "large"]) {
  const what = tree === "small" ? `${smallFiles} small files` : `one file of ${largeMb} MB`;
  for (let round = 1; round <= rounds; round++) {
    const unzipped = await produce("unzip", ["-q", `${here}/${tree}.zip`, "-d", `${here}/unzipped`], here);
    rmSync(`${here}/unzipped`, { recursive: true });
    const before = residentMb(daemon.pid).now;
    forgetPeak(daemon.pid);
    const [ours, health] = await probeHealth(port, () =>
      upload(`${daemon.url}/api/application/noop`, `${here}/${tree}.zip`, token),
    );
    const extraMb = residentMb(daemon.pid).peak - before;
    id += 1;
    await daemon.until(id, "ok");
    await daemon.call("DELETE", `/api/job/${id}`);
    report(`${what}, round ${round}`, `${ours.toFixed(2)} s, ${extraMb.toFixed(0)} MB more memory`);
    report("/api/health meanwhile", `p99 ${health.p99Ms.toFixed(1)} ms, longest ${health.maxMs.toFixed(1)} ms`);
    report("unzip -q", `${unzipped.seconds.toFixed(2)} s`);
    report("ratio", ratio(unzipped.seconds, ours));
  }
}
