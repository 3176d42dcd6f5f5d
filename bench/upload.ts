/**
 * Upload of a large archive of uncompressed files: speed until the job is accepted, which includes unpacking and
 * checking, memory, and the longest pause of the event loop; beside the same upload to a server that only writes the
 * body to a file.
 *
 *     bun bench/upload.ts [MB] [rounds]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { tempDir } from "../tests/support/temp_dir.ts";
import { benchDaemon, finishedJob } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { upload } from "./support/measured_upload.ts";
import { ratio, report } from "./support/report.ts";
import { forgetPeak, residentMb } from "./support/resident_memory.ts";
import { writeStoredZip } from "./support/stored_zip.ts";

const FILES = 4;

const mb = Number(process.argv[2] ?? 2000);
const rounds = Number(process.argv[3] ?? 3);

using dir = tempDir();
const archive = `${dir.path}/input.zip`;
await writeStoredZip(archive, FILES, Math.ceil(mb / FILES));
const bytes = statSync(archive).size;
const speed = (seconds: number): string => `${(bytes / seconds / 1e6).toFixed(0)} MB/s`;

await using daemon = await benchDaemon();
const sink = spawn(process.execPath, [resolve(import.meta.dir, "support/file_sink.ts"), `${dir.path}/sink`], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const [line] = (await once(sink.stdout, "data")) as [Buffer];
  const sinkUrl = `http://127.0.0.1:${line.toString().trim()}/`;
  const token = await daemon.token();
  const port = Number(new URL(daemon.url).port);
  // Warms compiler and connections.
  await finishedJob(daemon);
  const idleMb = residentMb(daemon.pid).now;

  for (let round = 1; round <= rounds; round++) {
    const sunk = await upload(sinkUrl, archive, token);
    forgetPeak(daemon.pid);
    const [ours, probe] = await probeHealth(
      port,
      () => upload(`${daemon.url}/api/application/noop`, archive, token),
      "/api/live",
    );
    const extraMb = residentMb(daemon.pid).peak - idleMb;
    const id = round + 1;
    await daemon.until(id, "ok");
    await daemon.call("DELETE", `/api/job/${id}`);
    report(
      `upload of ${(bytes / 1e9).toFixed(1)} GB, unpacked, round ${round}`,
      `${speed(ours)}, ${extraMb.toFixed(0)} MB more memory than idle`,
    );
    report("/api/live meanwhile", `p99 ${probe.p99Ms.toFixed(1)} ms, longest ${probe.maxMs.toFixed(1)} ms`);
    report("upload to a file sink", speed(sunk));
    report("ratio", ratio(sunk, ours));
  }
} finally {
  sink.kill();
}
