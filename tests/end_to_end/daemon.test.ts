import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type DaemonProcess, startDaemon, zipFile } from "../support/daemon_process.ts";

const CONFIG = `job_root_dir: jobs
applications:
  wc: {command_template: wc README.md, upload_needs: [README.md]}
  fail: {command_template: "echo output; echo trouble >&2; exit 3"}
  wait: {command_template: "echo started; sleep 600 & wait"}
  nap: {command_template: "while [ ! -e ../wake ]; do sleep 0.05; done; echo awake; exit 4"}
  env: {command_template: env}
  greet:
    command_template: echo {{ name|q }} {{ times }}
    input_schema:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: {type: string, maxLength: 20}
        times: {type: integer, minimum: 1, default: 1}
  admin: {command_template: "true", allowed_roles: [admin]}
destinations:
  local: {scheduler: {type: memory, slots: 2}, filesystem: {type: local}}
`;

const start = (env: Record<string, string> = {}) => startDaemon({ config: CONFIG, env });

/** Directories of jobs, without the daemon's own. */
const jobDirs = (daemon: DaemonProcess) =>
  readdirSync(join(daemon.directory, "jobs")).filter((name) => name !== ".bartender");

const uploads = (daemon: DaemonProcess) => readdirSync(join(daemon.directory, "jobs/.bartender/uploads"));

function rows(daemon: DaemonProcess): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(join(daemon.directory, "bartender.db"), { readOnly: true });
  try {
    return db.prepare("SELECT * FROM job ORDER BY id").all() as Record<string, unknown>[];
  } finally {
    db.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("the daemon", () => {
  test("counts words: upload, state, stdout, files and row", async () => {
    await using daemon = await start();
    const id = await daemon.submitOk("wc", { "README.md": "one two\nthree\n" });
    const job = await daemon.until(id, "ok", "error");
    expect(job).toMatchObject({ id: 1, name: "input.zip", application: "wc", state: "ok" });
    expect(await daemon.text(`/api/job/${id}/stdout`)).toMatch(/^\s*2\s+3\s+14 README\.md\n$/);
    expect(readdirSync(join(daemon.directory, "jobs/1")).sort()).toEqual([
      "README.md",
      "returncode",
      "stderr.txt",
      "stdout.txt",
    ]);
    expect(rows(daemon)).toMatchObject([{ id: 1, state: "ok", submitter: "alice", destination: "local" }]);
    expect(uploads(daemon)).toEqual([]);
  });

  test("reports a failing command as error, with its output and return code", async () => {
    await using daemon = await start();
    const id = await daemon.submitOk("fail", { "a.txt": "" });
    expect((await daemon.until(id, "ok", "error")).state).toBe("error");
    expect(await daemon.text(`/api/job/${id}/stdout`)).toBe("output\n");
    expect(await daemon.text(`/api/job/${id}/stderr`)).toBe("trouble\n");
    expect(readFileSync(join(daemon.directory, "jobs/1/returncode"), "utf8")).toBe("3");
  });

  test("passes form values through the schema and quotes them for the shell", async () => {
    await using daemon = await start();
    const id = await daemon.submitOk("greet", { "a.txt": "" }, { name: "$(id); 'x'", times: "7" });
    await daemon.until(id, "ok");
    expect(await daemon.text(`/api/job/${id}/stdout`)).toBe("$(id); 'x' 7\n");
  });

  test("keeps its own settings and other variables away from commands", async () => {
    await using daemon = await start({ BARTENDER_LOG_LEVEL: "debug", DATABASE_PASSWORD: "s3cret", LANG: "C.UTF-8" });
    const id = await daemon.submitOk("env", { "a.txt": "" });
    await daemon.until(id, "ok");
    const environment = await daemon.text(`/api/job/${id}/stdout`);
    expect(environment).toContain("LANG=C.UTF-8");
    expect(environment).not.toMatch(/s3cret|BARTENDER_(?!ATTEMPT)/);
  });

  test("runs as many jobs as there are slots and lets the others wait", async () => {
    await using daemon = await start();
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(await daemon.submitOk("wait", { "a.txt": "" }));
    const [first = 0, second = 0, third = 0] = ids;
    await daemon.until(first, "running");
    await daemon.until(second, "running");
    expect((await daemon.job(third)).state).toBe("queued");
    expect((await daemon.call("DELETE", `/api/job/${first}`)).status).toBe(204);
    await daemon.until(third, "running");
    for (const id of [second, third]) await daemon.call("DELETE", `/api/job/${id}`);
    expect(jobDirs(daemon)).toEqual([]);
    expect(rows(daemon)).toEqual([]);
  });

  test("ends every process of a job before its deletion is answered", async () => {
    await using daemon = await startDaemon({
      config: `job_root_dir: jobs
applications:
  wait: {command_template: 'echo $$; sleep 600 & echo $!; setsid sleep 601 & echo $!; wait'}
`,
    });
    const id = await daemon.submitOk("wait", { "a.txt": "" });
    await daemon.until(id, "running");
    const stdout = join(daemon.directory, "jobs/1/stdout.txt");
    while (readFileSync(stdout, "utf8").split("\n").length < 4) await Bun.sleep(10);
    const pids = readFileSync(stdout, "utf8").trim().split("\n").map(Number);
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    expect((await daemon.call("DELETE", `/api/job/${id}`)).status).toBe(204);
    expect(pids.map(isAlive)).toEqual([false, false, false]);
    expect((await daemon.call("GET", `/api/job/${id}`)).status).toBe(404);
  });
});

describe("a refused submission", () => {
  const zip = (files: Record<string, string>) => zipFile(files);
  const cases: Record<
    string,
    { readonly status: number; readonly application: string; readonly body: () => FormData }
  > = {
    "without upload": { status: 422, application: "wc", body: () => new FormData() },
    "with a text field as upload": { status: 422, application: "wc", body: () => form("not a file") },
    "to an unknown application": { status: 422, application: "nope", body: () => form(zip({ "README.md": "" })) },
    "without the role": { status: 403, application: "admin", body: () => form(zip({ "a.txt": "" })) },
    "of another media type": {
      status: 415,
      application: "wc",
      body: () => form(new File(["x"], "a.txt", { type: "text/plain" })),
    },
    "that is no zip": {
      status: 422,
      application: "wc",
      body: () => form(new File(["no zip at all"], "a.zip", { type: "application/zip" })),
    },
    "without a needed file": { status: 422, application: "wc", body: () => form(zip({ "other.md": "" })) },
    "that does not fit the schema": {
      status: 422,
      application: "greet",
      body: () => form(zip({ "a.txt": "" }), { name: "x", times: "many" }),
    },
    "with a name that a command writes": {
      status: 422,
      application: "fail",
      body: () => form(zip({ "stdout.txt": "" })),
    },
  };

  function form(upload: File | string, fields: Record<string, string> = {}): FormData {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    body.set("upload", upload);
    return body;
  }

  test("leaves no row and no directory, whatever is wrong with it", async () => {
    await using daemon = await start();
    for (const [name, { status, application, body }] of Object.entries(cases)) {
      const response = await daemon.call("PUT", `/api/application/${application}`, { body: body() });
      expect({ name, status: response.status }).toEqual({ name, status });
      expect(((await response.json()) as { detail: unknown }).detail).toBeTruthy();
    }
    const anonymous = await fetch(`${daemon.url}/api/application/wc`, {
      method: "PUT",
      body: form(zip({ "README.md": "" })),
    });
    expect(anonymous.status).toBe(403);
    expect(rows(daemon)).toEqual([]);
    expect(jobDirs(daemon)).toEqual([]);
    expect(uploads(daemon)).toEqual([]);
    expect(await daemon.submitOk("wc", { "README.md": "" })).toBe(1);
  });
});

describe("stopping the daemon", () => {
  test("by SIGTERM or SIGINT ends it with status 0 within 10 s and keeps the store consistent", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using daemon = await start();
      const id = await daemon.submitOk("wc", { "README.md": "x\n" });
      const startMs = performance.now();
      expect(await daemon.stop(signal)).toBe(0);
      expect(performance.now() - startMs).toBeLessThan(10_000);
      expect(existsSync(join(daemon.directory, "bartender.db-wal"))).toBe(false);
      expect(rows(daemon)).toHaveLength(1);
      await daemon.restart();
      expect((await daemon.until(id, "ok", "error")).state).toBe("ok");
    }
  });

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`by ${signal} lets commands run on, and the next daemon takes them over`, async () => {
      await using daemon = await start();
      const ids = [];
      for (let n = 0; n < 4; n++) ids.push(await daemon.submitOk("nap", { "a.txt": "" }));
      await daemon.until(ids[0] ?? 0, "running");
      await daemon.stop(signal);
      await daemon.restart();
      writeFileSync(join(daemon.directory, "jobs", "wake"), "");
      for (const id of ids) {
        expect((await daemon.until(id, "ok", "error")).state).toBe("error");
        expect(await daemon.text(`/api/job/${id}/stdout`)).toBe("awake\n");
        expect(readFileSync(join(daemon.directory, `jobs/${id}/returncode`), "utf8")).toBe("4");
      }
    });
  }
});
