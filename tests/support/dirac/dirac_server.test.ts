import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DIRAC_NAMES, type DiracServer, sharedDiracServer } from "../dirac_server.ts";
import { eventually } from "../eventually.ts";
import { tempDir } from "../temp_dir.ts";

/** How long one step of a job may take where the machine is busy otherwise. */
const PATIENCE_MS = 300_000;

const ENDED = ["Done", "Failed", "Killed"];

let server: DiracServer;
const dir = tempDir();

beforeAll(async () => {
  server = await sharedDiracServer();
}, PATIENCE_MS);

afterAll(() => dir[Symbol.dispose]());

let files = 0;

/** @returns the value of a column of a job */
function stateOf(id: number, column: "Status" | "MinorStatus"): string {
  return server.sql(`select ${column} from JobDB.Jobs where JobID = ${id}`).trim();
}

/**
 * Submits a shell script and waits until it is queued. An optimizer that gets no answer within a few seconds, on a busy
 * machine, fails the job before it gets there; such a one is submitted again.
 *
 * @returns the job's number
 */
async function submit(script: string): Promise<number> {
  for (;;) {
    const id = await submitOnce(script);
    await eventually(
      `job ${id} to be queued`,
      () => !["Received", "Checking"].includes(stateOf(id, "Status")),
      PATIENCE_MS,
    );
    if (!/ optimizer$/.test(stateOf(id, "MinorStatus"))) return id;
  }
}

async function submitOnce(script: string): Promise<number> {
  // Commands that fetch sandboxes do nothing where a file has the number of the job as its name.
  const directory = join(dir.path, `submitted${++files}`);
  mkdirSync(directory);
  writeFileSync(join(directory, "job.sh"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const jdl = [
    `JobName = "lab";`,
    `Executable = "job.sh";`,
    `InputSandbox = {"${directory}/job.sh"};`,
    `StdOutput = "stdout.txt";`,
    `StdError = "stderr.txt";`,
    `OutputSandbox = {"stdout.txt", "stderr.txt"};`,
  ];
  writeFileSync(join(directory, "job.jdl"), `[\n${jdl.join("\n")}\n]\n`);
  const { stdout } = await server.command("dirac-wms-job-submit", join(directory, "job.jdl"));
  return Number(/^JobID = (\d+)$/m.exec(stdout)?.[1]);
}

/**
 * Waits until the status of a job is one of those.
 *
 * @returns the line that DIRAC's own command prints about it
 * @throws with DIRAC's notes about the job when that does not happen
 */
async function until(id: number, ...statuses: readonly string[]): Promise<string> {
  try {
    // DIRAC's own command takes a second of a processor each time.
    await eventually(`job ${id} to end`, () => ENDED.includes(stateOf(id, "Status")), PATIENCE_MS);
    expect(statuses).toContain(stateOf(id, "Status"));
  } catch (cause) {
    const notes = server.sql(`select * from JobLoggingDB.LoggingInfo where JobID = ${id} order by StatusTimeOrder`);
    throw new Error(`Job ${id} is ${stateOf(id, "Status")}, not ${statuses.join(" or ")}:\n${notes}`, { cause });
  }
  const { stdout } = await server.command("dirac-wms-job-status", String(id));
  return stdout.split("\n").find((line) => line.startsWith(`JobID=${id} `)) ?? "";
}

test("the client holds a proxy of the user in its group", async () => {
  const { exitCode, stdout } = await server.command("dirac-proxy-info");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^DIRAC group +: dirac_user$/m);
  expect(stdout).toMatch(/^username +: ciuser$/m);
});

test.concurrent(
  "a job runs to Done and its output sandbox comes back",
  async () => {
    const id = await submit("echo hello from the grid\necho oops >&2");
    expect(await until(id, "Done")).toContain("; Status=Done;");
    const { exitCode, stdout } = await server.command("dirac-wms-job-get-output", "-D", dir.path, String(id));
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining("Job output sandbox retrieved"),
    });
    expect(readFileSync(join(dir.path, String(id), "stdout.txt"), "utf8")).toContain("hello from the grid");
  },
  2 * PATIENCE_MS,
);

test.concurrent(
  "a job whose command fails is Failed",
  async () => {
    const id = await submit("exit 3");
    expect(await until(id, "Done", "Failed")).toContain("Status=Failed");
  },
  2 * PATIENCE_MS,
);

test.concurrent(
  "a running job is killed, and its processes end",
  async () => {
    const mark = join(dir.path, "started");
    const id = await submit(`echo $$ >${mark}.new && mv ${mark}.new ${mark}\nsleep 1000`);
    const pid = await eventually("the job", () => existsSync(mark) && readFileSync(mark, "utf8").trim(), PATIENCE_MS);
    const { exitCode, stdout } = await server.command("dirac-wms-job-kill", String(id));
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `Killed jobs ${id}\n` });
    // The wrapper that obeys makes it Failed.
    await until(id, "Killed", "Failed");
    await eventually("the end of its process", () => !existsSync(`/proc/${pid}`), PATIENCE_MS);
  },
  2 * PATIENCE_MS,
);

test(
  "files go to the storage element and come back, and a directory is cleaned",
  async () => {
    const lfn = `${DIRAC_NAMES.lfnRoot}/lab/file.bin`;
    const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    const local = join(dir.path, "file.bin");
    writeFileSync(local, content);
    const added = await server.command("dirac-dms-add-file", lfn, local, DIRAC_NAMES.storageElement);
    expect(added).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("Successfully uploaded file") });
    expect(existsSync(join(server.storageDirectory, lfn))).toBe(true);
    expect((await server.command("dirac-dms-get-file", lfn)).exitCode).toBe(0);
    expect(readFileSync(join(server.directory, "home", "file.bin")).equals(content)).toBe(true);
    const cleaned = await server.command("dirac-dms-clean-directory", `${DIRAC_NAMES.lfnRoot}/lab`);
    expect(cleaned).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^OK$/m) });
    expect(existsSync(join(server.storageDirectory, lfn))).toBe(false);
  },
  2 * PATIENCE_MS,
);

test(
  "a service that is stopped is missed, and used again when it is back",
  async () => {
    await server.services.jobMonitoring.stop();
    expect((await server.command("dirac-wms-job-status", "1")).exitCode).toBe(2);
    await server.services.jobMonitoring.start();
    expect((await server.command("dirac-wms-job-status", "1")).exitCode).toBe(0);
  },
  2 * PATIENCE_MS,
);
