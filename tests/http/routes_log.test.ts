import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { edgeWorld } from "../support/edge_world.ts";
import { FAILED, LOCAL } from "../support/job_builder.ts";
import { tempDir } from "../support/temp_dir.ts";

const NOT_FOUND = { status: 404, text: '{"detail":"File not found"}' };

/** A completed job of alice. */
async function setup() {
  const world = await edgeWorld();
  const job = world.jobs.plant({});
  const directory = world.jobs.directory(job);
  const read = async (name: "stdout" | "stderr", method = "GET") => {
    const answer = await world.app.request(`/api/job/${job.id}/${name}`, { method, headers: world.auth() });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, text: bytes.toString("latin1"), headers: answer.headers };
  };
  return { world, job, directory, read, [Symbol.dispose]: () => world[Symbol.dispose]() };
}

describe("the logs of a job", () => {
  test("are the bytes of stdout.txt and stderr.txt, whatever they are", async () => {
    using edge = await setup();
    writeFileSync(join(edge.directory, "stdout.txt"), Buffer.from([0x61, 0xff, 0x00, 0xfe, 0x0a]));
    writeFileSync(join(edge.directory, "stderr.txt"), "");
    const stdout = await edge.read("stdout");
    expect(stdout).toMatchObject({ status: 200, text: "a\xff\0\xfe\n" });
    expect(stdout.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(stdout.headers.get("content-length")).toBe("5");
    expect(stdout.headers.has("content-disposition")).toBe(false);
    const stderr = await edge.read("stderr");
    expect(stderr).toMatchObject({ status: 200, text: "" });
    expect(stderr.headers.get("content-length")).toBe("0");
  });

  test("need only the file that is asked for", async () => {
    using edge = await setup();
    writeFileSync(join(edge.directory, "stderr.txt"), "why");
    expect(await edge.read("stderr")).toMatchObject({ status: 200, text: "why" });
    expect(await edge.read("stdout")).toMatchObject(NOT_FOUND);
  });

  test("of a failed job can be read", async () => {
    using world = await edgeWorld();
    const progress = { phase: "finished", placement: LOCAL, schedulerJobId: null, outcome: FAILED } as const;
    const job = world.jobs.plant({ progress });
    writeFileSync(join(world.jobs.directory(job), "stderr.txt"), "bartender: no such destination\n");
    const answer = await world.app.request(`/api/job/${job.id}/stderr`, { headers: world.auth() });
    expect([answer.status, await answer.text()]).toEqual([200, "bartender: no such destination\n"]);
  });

  test.each(["accepted", "queued", "running", "staging_out", "closing"] as const)(
    "are not shown while the job is %s",
    async (phase) => {
      using world = await edgeWorld();
      const job = world.jobs.plant({ phase });
      writeFileSync(join(world.jobs.directory(job), "stdout.txt"), "so far");
      const answer = await world.app.request(`/api/job/${job.id}/stdout`, { headers: world.auth() });
      expect([answer.status, await answer.text()]).toEqual([425, '{"detail":"Job has not completed"}']);
    },
  );

  test("of a linked job directory can be read", async () => {
    using edge = await setup();
    using elsewhere = tempDir();
    renameSync(edge.directory, join(elsewhere.path, "run"));
    symlinkSync(join(elsewhere.path, "run"), edge.directory);
    writeFileSync(join(elsewhere.path, "run", "stdout.txt"), "linked");
    expect(await edge.read("stdout")).toMatchObject({ status: 200, text: "linked" });
  });

  test("may be links that stay inside, and never links that leave", async () => {
    using edge = await setup();
    using elsewhere = tempDir();
    writeFileSync(join(elsewhere.path, "secret"), "secret");
    writeFileSync(join(edge.directory, "real.log"), "inside");
    symlinkSync("real.log", join(edge.directory, "stdout.txt"));
    symlinkSync(join(elsewhere.path, "secret"), join(edge.directory, "stderr.txt"));
    expect(await edge.read("stdout")).toMatchObject({ status: 200, text: "inside" });
    expect(await edge.read("stderr")).toMatchObject(NOT_FOUND);
  });

  test("are not found in another job's directory, by a prefix of its name or by a link", async () => {
    using edge = await setup();
    const sibling = `${edge.directory}0`;
    mkdirSync(sibling);
    writeFileSync(join(sibling, "stdout.txt"), "of job 10");
    symlinkSync(join(sibling, "stdout.txt"), join(edge.directory, "stdout.txt"));
    expect(await edge.read("stdout")).toMatchObject(NOT_FOUND);
  });

  test("that are a directory, a FIFO, a loop or a dangling link are not found, and nothing hangs", async () => {
    using edge = await setup();
    const path = join(edge.directory, "stdout.txt");
    mkdirSync(path);
    expect(await edge.read("stdout")).toMatchObject(NOT_FOUND);
    rmSync(path, { recursive: true });
    execFileSync("mkfifo", [path]);
    expect(await edge.read("stdout")).toMatchObject(NOT_FOUND);
    rmSync(path);
    symlinkSync("stdout.txt", path);
    expect(await edge.read("stdout")).toMatchObject(NOT_FOUND);
    rmSync(path);
    symlinkSync("nothing", path);
    expect(await edge.read("stdout")).toMatchObject(NOT_FOUND);
  });

  test("of a job whose directory is gone are not found", async () => {
    using edge = await setup();
    rmSync(edge.directory, { recursive: true });
    expect(await edge.read("stdout")).toMatchObject(NOT_FOUND);
  });

  test("of several megabytes arrive whole", async () => {
    using edge = await setup();
    const content = Buffer.alloc(3_000_001, "0123456789abcdef\n");
    writeFileSync(join(edge.directory, "stdout.txt"), content);
    const { status, text } = await edge.read("stdout");
    expect(status).toBe(200);
    expect(text === content.toString("latin1")).toBe(true);
  });

  test("answer HEAD with their length, and leave no file open", async () => {
    using edge = await setup();
    writeFileSync(join(edge.directory, "stdout.txt"), Buffer.alloc(1_000_000));
    const before = openFiles();
    for (let count = 0; count < 5; count += 1) {
      const answer = await edge.read("stdout", "HEAD");
      expect([answer.status, answer.text, answer.headers.get("content-length")]).toEqual([200, "", "1000000"]);
    }
    expect(openFiles()).toBe(before);
  });

  test("leave no file open when the client goes away in the middle", async () => {
    using edge = await setup();
    writeFileSync(join(edge.directory, "stdout.txt"), Buffer.alloc(5_000_000));
    const before = openFiles();
    const answer = await edge.world.app.request(`/api/job/${edge.job.id}/stdout`, { headers: edge.world.auth() });
    const reader = answer.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    expect(openFiles()).toBe(before + 1);
    await reader?.cancel();
    expect(openFiles()).toBe(before);
  });
});

/** File descriptors of this process that lead to a log. */
function openFiles(): number {
  const list = execFileSync("sh", ["-c", `ls -l /proc/${process.pid}/fd | grep -c 'stdout.txt' || true`]);
  return Number(list.toString());
}
