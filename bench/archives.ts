/**
 * Archives of many small files and of one large file, beside `zip -r -` and `tar -cz` on the same trees: time to the
 * first byte, speed in MB of input per second, memory, and the delay of /api/health meanwhile.
 *
 *     bun bench/archives.ts [small files] [MB of the large file]
 */
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs";
import { benchDaemon, finishedJob } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { download, produce, type Transfer } from "./support/measured_download.ts";
import { ratio, report } from "./support/report.ts";
import { forgetPeak, residentMb } from "./support/resident_memory.ts";
import { sampleText } from "./support/sample_text.ts";

const smallFiles = Number(process.argv[2] ?? 20_000);
const largeMb = Number(process.argv[3] ?? 500);

await using daemon = await benchDaemon();
const id = await finishedJob(daemon);
const token = await daemon.token();
const port = Number(new URL(daemon.url).port);
const jobDir = `${daemon.directory}/jobs/${id}`;

let smallBytes = 0;
for (let n = 0; n < smallFiles; n++) {
  if (n % 200 === 0) mkdirSync(`${jobDir}/small/d${n / 200}`, { recursive: true });
  const content = sampleText(1000 + ((n * 37) % 5000));
  smallBytes += content.length;
  writeFileSync(`${jobDir}/small/d${Math.floor(n / 200)}/f${n}.pdb`, content);
}
mkdirSync(`${jobDir}/large`);
const large = createWriteStream(`${jobDir}/large/trajectory.dat`);
for (let mb = 0; mb < largeMb; mb++) {
  if (!large.write(sampleText(1_000_000))) await new Promise<void>((resolve) => large.once("drain", () => resolve()));
}
await new Promise<void>((resolve) => large.end(() => resolve()));

const show = (what: string, { firstByteMs, seconds }: Transfer, bytes: number, more = ""): void =>
  report(what, `first byte ${firstByteMs.toFixed(0)} ms, ${(bytes / seconds / 1e6).toFixed(0)} MB/s${more}`);

// Warms the disk cache and the compiler.
await download(`${daemon.url}/api/job/${id}/archive/small`, token);
for (const [tree, bytes] of [
  ["small", smallBytes],
  ["large", largeMb * 1_000_000],
] as const) {
  const what = tree === "small" ? `${smallFiles} small files` : `one file of ${largeMb} MB`;
  for (const [format, program, args] of [
    [".zip", "zip", ["-qr", "-", "."]],
    [".tar.gz", "tar", ["-cz", "."]],
  ] as const) {
    const before = residentMb(daemon.pid).now;
    forgetPeak(daemon.pid);
    const [ours, health] = await probeHealth(port, () =>
      download(`${daemon.url}/api/job/${id}/archive/${tree}?archive_format=${format}`, token),
    );
    const extra = residentMb(daemon.pid).peak - before;
    const reference = await produce(program, args, `${jobDir}/${tree}`);
    show(`${format} of ${what}`, ours, bytes, `, ${extra.toFixed(0)} MB more memory`);
    report("/api/health meanwhile", `p50 ${health.p50Ms.toFixed(1)} ms, p99 ${health.p99Ms.toFixed(1)} ms`);
    show(`${program} ${args.join(" ")}`, reference, bytes);
    report("ratio", ratio(reference.seconds, ours.seconds));
  }
}
