/**
 * What hostile requests cost: each has to get its 4xx and leave nothing behind, while the memory of the daemon and the delay
 * of `/api/health` stay as they are.
 *
 *     bun bench/hostile.ts [rounds]
 */
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { buildZip, type ZipEntrySpec, type ZipOptions } from "../tests/support/zip_builder.ts";
import { benchDaemon } from "./support/bench_daemon.ts";
import { probeHealth } from "./support/health_probe.ts";
import { requestBytes, submissionBytes } from "./support/http_load.ts";
import { report } from "./support/report.ts";
import { forgetPeak, residentMb } from "./support/resident_memory.ts";

const rounds = Number(process.argv[2] ?? 30);
const PARALLEL = 4;
/** How long the daemon is asked without any attack, to compare. */
const CALM_MS = 5_000;
/** Until then the runtime has let go of what it does not need. */
const COLLECTED_AFTER_MS = 30_000;

await using daemon = await benchDaemon({
  settings:
    "limits: {max_upload_bytes: 20_000_000, max_expanded_bytes: 200_000_000, max_entries: 50_000, max_ratio: 500}",
});
const token = await daemon.token();
const port = Number(new URL(daemon.url).port);

const zip = (entries: readonly ZipEntrySpec[], options?: ZipOptions) =>
  submissionBytes("noop", token, buildZip(entries, options));
const names = (...all: readonly string[]) => zip(all.map((name) => ({ name, content: "x" })));
const many = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `${at % 100}/${at}` }));
const zeros = { name: "zeros", content: Buffer.alloc(150_000_000) };
const whole = buildZip([{ name: "a", content: crypto.getRandomValues(new Uint8Array(60_000)), isStored: true }]);
const get = (path: string, bearer = token) =>
  requestBytes(`GET ${path} HTTP/1.1`, { Authorization: `Bearer ${bearer}`, Connection: "close" });
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claims = base64({ sub: "alice", iss: "x", exp: 4_102_444_800 });
const form = (body: string) => {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "multipart/form-data; boundary=b" };
  return requestBytes("PUT /api/application/noop HTTP/1.1", headers, Buffer.from(body));
};

/** Requests by what is wrong with them. */
const CORPUS: Readonly<Record<string, Uint8Array>> = {
  traversal: names("../../etc/passwd"),
  "absolute name": names("/etc/passwd"),
  backslashes: names("..\\..\\x"),
  NUL: names("a\0b"),
  link: zip([{ name: "link", content: "/etc/passwd", mode: 0o120777 }]),
  device: zip([{ name: "device", mode: 0o020666 }]),
  duplicates: names("a", "a"),
  "file and directory": names("a", "a/b"),
  "lying size": zip([{ ...zeros, size: 10 }]),
  "size beyond the limit": zip([zeros, { ...zeros, name: "more" }]),
  "bomb by ratio": zip([zeros]),
  "headers that differ": zip([{ name: "a", content: "x", localName: "b" }]),
  "shared data": zip([
    { name: "a", content: "x" },
    { name: "b", content: "x", sharesDataOf: 0 },
  ]),
  encrypted: zip([{ name: "a", content: "x", flags: 0x801 }]),
  truncated: submissionBytes("noop", token, whole.subarray(0, whole.length - 30)),
  "no archive": submissionBytes("noop", token, new Uint8Array(1_000_000)),
  "more entries than announced": zip(many(40_000), { entryCount: 7 }),
  "too many entries": zip(many(60_000)),
  "name of 5,000 characters": names("n".repeat(5000)),
  "multipart without end": form('--b\r\nContent-Disposition: form-data; name="upload"; filename="x"\r\n\r\nabc'),
  "part with a huge header": form(`--b\r\nX: ${"x".repeat(20_000)}\r\n\r\n\r\n--b--\r\n`),
  "two thousand parts": form(`${'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'.repeat(2000)}--b--\r\n`),
  "alg none": get("/api/whoami", `${base64({ alg: "none" })}.${claims}.`),
  HS256: get("/api/whoami", `${base64({ alg: "HS256" })}.${claims}.${"A".repeat(43)}`),
  "signature of somebody else": get("/api/whoami", `${base64({ alg: "RS256" })}.${claims}.${"A".repeat(342)}`),
  "token of 10 kB": get("/api/whoami", `${"a".repeat(5000)}.${"b".repeat(5000)}.c`),
  "path with dots": get("/api/job/1/files/../../../etc/passwd"),
  "path with escaped dots": get("/api/job/1/files/%2e%2e/%2e%2e/etc/passwd"),
  "path with NUL": get("/api/job/1/files/%00"),
  "path escaped twice": get("/api/job/1/files/%252e%252e%252fetc"),
};

/** @returns the status of the answer, whose body has to hold a detail */
function statusOf(request: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      if (!/\r\n\r\n[\s\S]*\}$/.test(answer)) return;
      socket.destroy();
      resolve(answer.includes('"detail":') ? Number(answer.split(" ")[1]) : 0);
    });
    socket.on("end", () => reject(new Error(`No detail: ${JSON.stringify(answer.slice(0, 500))}`)));
  });
}

const first = await daemon.submitOk("noop", { "input.txt": "\n" });
await daemon.until(first, "ok");
/** @returns the statuses of every request of the corpus, each as often as wanted, some at a time */
async function attack(times: number): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>();
  const queue = Array.from({ length: times }, () => Object.entries(CORPUS)).flat();
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [what, request] = next;
      const status = await statusOf(request);
      if (status < 400 || status >= 500) throw new Error(`${what}: ${status}`);
      seen.set(what, status);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return seen;
}

// Once before, as code is compiled and memory taken the first time.
const seen = await attack(1);
for (const [what, status] of seen) console.log(`${status} ${what}`);
const before = residentMb(daemon.pid).now;
forgetPeak(daemon.pid);
const [, calm] = await probeHealth(port, () => Bun.sleep(CALM_MS));
const startMs = performance.now();
const [, health] = await probeHealth(port, () => attack(rounds));
const perSecond = (seen.size * rounds * 1000) / (performance.now() - startMs);
report(`${seen.size * rounds} hostile requests, ${PARALLEL} at a time`, `${perSecond.toFixed(0)}/s, all with a 4xx`);
report(
  "more memory, at most and afterwards",
  `${(residentMb(daemon.pid).peak - before).toFixed(0)} MB, ${(residentMb(daemon.pid).now - before).toFixed(0)} MB`,
);
for (const [when, { p50Ms, p99Ms, maxMs }] of [
  ["meanwhile", health],
  ["before", calm],
] as const) {
  const figures = `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, longest ${maxMs.toFixed(1)} ms`;
  report(`\`/api/health\` ${when}`, figures);
}
await Bun.sleep(COLLECTED_AFTER_MS);
report("more memory, half a minute later", `${(residentMb(daemon.pid).now - before).toFixed(0)} MB`);
const jobs = join(daemon.directory, "jobs");
const left = [...readdirSync(jobs).filter((name) => /^\d+$/.test(name)), ...readdirSync(`${jobs}/.bartender/uploads`)];
if (left.join() !== String(first)) throw new Error(`Left behind: ${left.join()}`);
