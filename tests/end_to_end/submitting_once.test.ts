import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openJobStore } from "../../adapters/job_store/build.ts";
import { type DaemonProcess, startDaemon, zipFile } from "../support/daemon_process.ts";
import { recordingLogger } from "../support/recording_logger.ts";

/** Each start of the command leaves a line outside its directory. */
const CONFIG = `job_root_dir: jobs
applications:
  note: {command_template: "echo started >> ../../ledger; cat input.txt"}
destinations:
  local: {scheduler: {type: memory, slots: 2}, filesystem: {type: local}}
`;

const ROUNDS = 6;

async function submit(daemon: DaemonProcess, key: string, text = "hello\n"): Promise<string> {
  const body = new FormData();
  body.set("upload", zipFile({ "input.txt": text }));
  const answer = await daemon.call("PUT", "/api/application/note", { body, headers: { "idempotency-key": key } });
  return `${answer.status} ${new URL(answer.headers.get("location") ?? "about:blank").pathname}`;
}

function sql(daemon: DaemonProcess, text: string): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(join(daemon.directory, "bartender.db"));
  try {
    return db.prepare(text).all() as Record<string, unknown>[];
  } finally {
    db.close();
  }
}

const ledger = (daemon: DaemonProcess) => readFileSync(join(daemon.directory, "ledger"), "utf8").split("\n").length - 1;
const uploads = (daemon: DaemonProcess) => readdirSync(join(daemon.directory, "jobs/.bartender/uploads"));

describe("a submission with an Idempotency-Key", () => {
  test("is one job, at the same time, after a restart of the daemon, and until it is deleted", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    const answers = await Promise.all(Array.from({ length: 5 }, () => submit(daemon, "k1")));
    expect(answers).toEqual(answers.map(() => "303 /api/job/1"));
    await daemon.until(1, "ok");
    await daemon.restart();
    expect(await submit(daemon, '"k1"')).toBe("303 /api/job/1");
    expect(await submit(daemon, "k1", "something else\n")).toBe("422 blank");
    expect(sql(daemon, "SELECT count(*) AS n FROM job")).toEqual([{ n: 1 }]);
    expect(ledger(daemon)).toBe(1);
    expect(uploads(daemon)).toEqual([]);

    expect((await daemon.call("DELETE", "/api/job/1")).status).toBe(204);
    expect(await submit(daemon, "k1")).toBe("303 /api/job/2");
    await daemon.until(2, "ok");
  });

  test("is answered like the first time when the daemon was killed between saving and answering", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    expect(await submit(daemon, "first")).toBe("303 /api/job/1");
    await daemon.until(1, "ok");
    const [row] = sql(daemon, "SELECT request_digest FROM job");
    await daemon.stop("SIGKILL");

    // What such a kill leaves behind: the row, and the upload where it was unpacked.
    const upload = join(daemon.directory, "jobs/.bartender/uploads/upload-abc123");
    mkdirSync(upload, { mode: 0o700 });
    writeFileSync(join(upload, "input.txt"), "hello\n");
    const path = join(daemon.directory, "bartender.db");
    const store = await openJobStore({ kind: "sqlite", path }, { logger: recordingLogger() });
    const identity = { name: "input.zip", application: "note", submitter: "alice", parameters: {} };
    const once = { key: "second", digest: String(row?.request_digest) };
    await store.insertOnce({ ...identity, upload: "upload-abc123" }, once, Date.now());
    await store.close();

    await daemon.restart();
    expect(await submit(daemon, "second")).toBe("303 /api/job/2");
    await daemon.until(2, "ok");
    expect(await daemon.text("/api/job/2/stdout")).toBe("hello\n");
    expect(ledger(daemon)).toBe(2);
    expect(uploads(daemon)).toEqual([]);
  });

  test("is one job when the daemon is killed at any moment and the client tries again", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    // Warm, so that the moments below spread over the whole request.
    await submit(daemon, "warm");
    await daemon.until(1, "ok");
    for (let round = 1; round <= ROUNDS; round++) {
      const lost = submit(daemon, `key-${round}`).catch(() => "lost");
      await Bun.sleep(round * 2);
      await daemon.stop("SIGKILL");
      const first = await lost;
      await daemon.restart();
      const second = await submit(daemon, `key-${round}`);
      expect(second).toStartWith("303 ");
      if (first !== "lost") expect(second).toBe(first);
      await daemon.until(Number(second.split("/").at(-1)), "ok");
    }
    expect(sql(daemon, "SELECT count(*) AS n FROM job")).toEqual([{ n: ROUNDS + 1 }]);
    expect(ledger(daemon)).toBe(ROUNDS + 1);
    expect(uploads(daemon)).toEqual([]);
  }, 180_000);
});
