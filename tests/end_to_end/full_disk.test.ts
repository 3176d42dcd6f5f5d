import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { noSmallDiskBecause, type SmallDisk, smallDisk } from "../support/small_disk.ts";
import { UPLOAD_HEADER } from "../support/submission.ts";
import { buildZip, type ZipEntrySpec } from "../support/zip_builder.ts";

const MB = 1_000_000;

const skipReason = noSmallDiskBecause();
if (skipReason !== undefined) console.warn(`Skipped: ${skipReason}`);

const config = (jobRoot: string, minFreeBytes: number) => `job_root_dir: ${jobRoot}
applications:
  cat: {command_template: cat input.txt}
  wait: {command_template: "while [ ! -e ${jobRoot}/go ]; do sleep 0.05; done; echo went on"}
  hush: {command_template: "while [ ! -e ${jobRoot}/go ]; do sleep 0.05; done"}
  die: {command_template: "while [ ! -e ${jobRoot}/go ]; do sleep 0.05; done; kill -ABRT $$"}
destinations:
  local: {scheduler: {type: memory, slots: 4}, filesystem: {type: local}}
limits: {min_free_bytes: ${minFreeBytes}}
`;

const noise = (bytes: number): Uint8Array => {
  const content = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536));
  return content;
};

async function submitZip(daemon: DaemonProcess, entries: readonly ZipEntrySpec[]): Promise<readonly unknown[]> {
  const body = new FormData();
  body.set("upload", new File([buildZip(entries)], "input.zip", { type: "application/zip" }));
  const answer = await daemon.call("PUT", "/api/application/cat", { body });
  return answer.status === 303 ? [303] : [answer.status, ((await answer.json()) as { detail: unknown }).detail];
}

const TOO_LITTLE = [507, "The service has too little free disk space for this, please try again later"] as const;

const UPLOAD_HEAD = `--b\r\n${UPLOAD_HEADER}\r\n\r\n`;

/** Job directories and what is left of uploads. */
const kept = (disk: SmallDisk) => [
  ...readdirSync(disk.path).filter((name) => /^\d+$/.test(name)),
  ...readdirSync(join(disk.path, ".bartender/uploads")),
];

describe.skipIf(skipReason !== undefined)("a disk of the jobs that is really full", () => {
  test.each([
    ["an upload that does not fit", [{ name: "input.txt", content: noise(9 * MB), isStored: true }]],
    ["a large file that does not fit unpacked", [{ name: "input.txt", content: Buffer.alloc(20 * MB, "abc") }]],
    [
      "many small files that do not fit unpacked",
      Array.from({ length: 400 }, (_, n) => ({ name: `d${n % 7}/${n}`, content: Buffer.alloc(60_000, `${n}`) })),
    ],
  ])("refuses %s with 507, keeps nothing of it, and lets running jobs go on", async (_what, entries) => {
    using disk = smallDisk(8 * MB);
    await using daemon = await startDaemon({ config: config(disk.path, 0) });
    const running = await daemon.submitOk("wait", {});
    await daemon.until(running, "running");
    const before = disk.freeBytes();

    expect(await submitZip(daemon, entries)).toEqual([...TOO_LITTLE]);
    expect(kept(disk)).toEqual(["1"]);
    // The data of the nameless file goes when the last handle on it does.
    expect(before - disk.freeBytes()).toBeLessThan(100_000);

    expect(await submitZip(daemon, [{ name: "input.txt", content: "small\n" }])).toEqual([303]);
    await daemon.until(2, "ok");
    expect(await daemon.text("/api/job/2/stdout")).toBe("small\n");
    writeFileSync(join(disk.path, "go"), "");
    await daemon.until(running, "ok");
    expect(await daemon.text(`/api/job/${running}/stdout`)).toBe("went on\n");
  });

  test("keeps how a command ended until that can be written down, and the reason of a failure too", async () => {
    using disk = smallDisk(8 * MB);
    await using daemon = await startDaemon({ config: config(disk.path, 0) });
    const [good, killed] = [await daemon.submitOk("hush", {}), await daemon.submitOk("die", {})];
    await daemon.until(good, "running");
    await daemon.until(killed, "running");
    disk.fill(0);
    // No data fits any more, but a name does.
    writeFileSync(join(disk.path, "go"), "");
    await eventually("return codes that could not be written", () =>
      [good, killed].every((id) => existsSync(join(disk.path, `${id}/returncode`))),
    );
    expect((await daemon.job(good)).state).toBe("running");
    disk.release();
    await daemon.until(good, "ok");
    await daemon.until(killed, "error");
    expect(await daemon.text(`/api/job/${killed}/stderr`)).toContain("bartender: Ended by signal 6 (SIGABRT)");
  });

  test("refuses submissions below min_free_bytes until there is space again, and lets running jobs go on", async () => {
    using disk = smallDisk(16 * MB);
    await using daemon = await startDaemon({ config: config(disk.path, 4 * MB) });
    const running = await daemon.submitOk("wait", {});
    await daemon.until(running, "running");
    disk.fill(3 * MB);
    const small = [{ name: "input.txt", content: "small\n" }];
    expect(await submitZip(daemon, small)).toEqual([...TOO_LITTLE]);
    writeFileSync(join(disk.path, "go"), "");
    await daemon.until(running, "ok");

    disk.fill(6 * MB);
    // Packed it would fit; what it becomes is judged before it is unpacked.
    expect(await submitZip(daemon, [{ name: "input.txt", content: Buffer.alloc(3 * MB) }])).toEqual([...TOO_LITTLE]);
    expect(await submitZip(daemon, [{ name: "input.txt", content: noise(3 * MB), isStored: true }])).toEqual([
      ...TOO_LITTLE,
    ]);
    expect(kept(disk)).toEqual(["1"]);
    expect(await submitZip(daemon, small)).toEqual([303]);
  });
});

describe.skipIf(skipReason !== undefined)("an upload that does not say how long it is", () => {
  test("is refused as soon as it leaves less than min_free_bytes, not at its end", async () => {
    using disk = smallDisk(60 * MB);
    await using daemon = await startDaemon({ config: config(disk.path, 40 * MB) });
    // At its end it would turn out to be no archive.
    const chunks = [UPLOAD_HEAD, ...Array.from({ length: 40 }, () => new Uint8Array(MB)), "\r\n--b--\r\n"];
    const body = new ReadableStream({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
      },
    });
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    const answer = await daemon.call("PUT", "/api/application/cat", { headers, body });
    expect([answer.status, ((await answer.json()) as { detail: unknown }).detail]).toEqual([...TOO_LITTLE]);
    expect(kept(disk)).toEqual([]);
  });
});

describe.skipIf(skipReason !== undefined)("a disk of the database that is really full", () => {
  test("makes submissions wait with 503, loses no job and no step of one, and is well again with space", async () => {
    using disk = smallDisk(4 * MB);
    await using daemon = await startDaemon({
      config: config("jobs", 0).replaceAll("jobs/go", "../../go"),
      env: { BARTENDER_DB_URL: `sqlite:${disk.path}/bartender.db` },
    });
    const finished = await daemon.submitOk("cat", { "input.txt": "before\n" });
    await daemon.until(finished, "ok");
    const running = await daemon.submitOk("wait", {});
    await daemon.until(running, "running");

    disk.fill(0);
    // What is left in the pages of the log may take a few rows more.
    let refused: Response | undefined;
    let accepted = 0;
    for (let tries = 0; tries < 300 && refused === undefined; tries++) {
      const answer = await daemon.submit("cat", { "input.txt": "full\n" });
      if (answer.status === 303) accepted += 1;
      else refused = answer;
    }
    expect(refused?.status).toBe(503);
    expect(refused?.headers.get("retry-after")).toBe("5");
    expect(await refused?.json()).toEqual({ detail: "The job store is not available, please try again later" });
    expect((await daemon.job(finished)).state).toBe("ok");
    expect((await daemon.call("GET", "/api/health")).status).toBe(200);
    expect(readdirSync(join(daemon.directory, "jobs/.bartender/uploads"))).toEqual([]);
    // Ends while nothing can be saved.
    writeFileSync(join(daemon.directory, "go"), "");
    await Bun.sleep(500);
    expect((await daemon.job(running)).state).toBe("running");

    disk.release();
    await daemon.until(running, "ok");
    expect(await daemon.text(`/api/job/${running}/stdout`)).toBe("went on\n");
    const next = await daemon.submitOk("cat", { "input.txt": "after\n" });
    await daemon.until(next, "ok");
    const jobs = (await (await daemon.call("GET", "/api/job/?limit=1000")).json()) as { id: number }[];
    expect(jobs.length).toBe(accepted + 3);
    for (const { id } of jobs) expect((await daemon.until(id, "ok", "error")).state).toBe("ok");
  }, 180_000);
});
