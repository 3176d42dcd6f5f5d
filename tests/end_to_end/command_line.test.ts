import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { tempDir } from "../support/temp_dir.ts";

const ROOT = resolve(import.meta.dir, "../..");

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `./bartender` to its end, as a user would. */
function bartender(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return run(join(ROOT, "bartender"), args, cwd, env);
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(program, args, { cwd, env: { PATH, HOME, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (status) => done({ status, stdout, stderr }));
  });
}

describe("./bartender", () => {
  test("prints help and ends with 0 without a command", async () => {
    using dir = tempDir();
    const { status, stdout } = await bartender(dir.path, []);
    expect(status).toBe(0);
    for (const command of ["serve", "demo", "check-config", "generate-keys", "generate-token"]) {
      expect(stdout).toContain(command);
    }
  });

  test("prints its version, also in a directory without a configuration", async () => {
    using dir = tempDir();
    const { status, stdout } = await bartender(dir.path, ["--version"], { BARTENDER_PORT: "nonsense" });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^bartender \d+\.\d+\.\d+\S* \(Bun \d/);
  });

  test("tries the sandboxes of destinations and of interactive applications", async () => {
    using dir = tempDir();
    mkdirSync(join(dir.path, "jobs"));
    writeFileSync(
      join(dir.path, "config.yaml"),
      `job_root_dir: jobs
applications: { a: { command_template: "true" } }
interactive_applications:
  free: { command_template: "true", input_schema: { type: object } }
  kept: { command_template: "true", input_schema: { type: object }, sandbox: [env, "HERE={directory}", "FILES={files}"] }
  lost: { command_template: "true", input_schema: { type: object }, sandbox: ["false"] }
destinations:
  here: { scheduler: { type: memory, sandbox: [env] }, filesystem: { type: local } }
`,
    );
    const { status, stdout } = await bartender(dir.path, ["check-config", "--probe"]);
    expect(stdout).toEndWith(
      `here: ok   Commands can be run by env
interactive application kept: ok   Commands can be run by env
interactive application lost: FAIL sandbox: false ended with 1: it said nothing
`,
    );
    expect(status).toBe(1);
  });

  test("ends with 2 when the command line is wrong", async () => {
    using dir = tempDir();
    for (const args of [["serv"], ["serve", "--nope"], ["generate-token", "--lifetime", "soon"]]) {
      const { status, stderr } = await bartender(dir.path, args);
      expect(status).toBe(2);
      expect(stderr).toContain("error:");
    }
  });

  test("works through a link and from any directory", async () => {
    using dir = tempDir();
    const { symlinkSync } = await import("node:fs");
    symlinkSync(join(ROOT, "bartender"), join(dir.path, "bt"));
    expect((await run(join(dir.path, "bt"), ["--version"], dir.path, {})).status).toBe(0);
  });
});

describe("serve", () => {
  const MINIMAL = "job_root_dir: jobs\napplications: {wc: {command_template: wc README.md}}\n";

  async function refused(setup: (dir: string) => void | Promise<void>, env: Record<string, string> = {}) {
    using dir = tempDir();
    await setup(dir.path);
    const ended = await bartender(dir.path, ["serve"], { BARTENDER_PORT: "0", ...env });
    expect(ended.status).toBe(1);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    return { ...ended, files: readdirSync(dir.path) };
  }

  async function withKeys(dir: string): Promise<void> {
    writeFileSync(join(dir, "config.yaml"), MINIMAL);
    expect((await bartender(dir, ["generate-keys"])).status).toBe(0);
  }

  test("names the key that is missing and how to make it", async () => {
    const { stderr } = await refused((dir) => writeFileSync(join(dir, "config.yaml"), MINIMAL));
    expect(stderr).toContain("public_key.pem");
    expect(stderr).toContain("generate-keys");
  });

  test("lists all faults of the configuration at once, each with its place", async () => {
    const { stderr } = await refused((dir) =>
      writeFileSync(
        join(dir, "config.yaml"),
        "applications:\n  wc: {comand_template: wc}\ndestinations:\n  d: {scheduler: {type: memory, slots: 0}, filesystem: {type: local}}\n",
      ),
    );
    expect(stderr).toMatch(/config\.yaml:2:\d+: applications\.wc\.comand_template: .*command_template/);
    expect(stderr).toMatch(/config\.yaml:4:\d+: destinations\.d\.scheduler\.slots: /);
  });

  test("says which variable of the environment is wrong", async () => {
    const { stderr } = await refused(withKeys, { BARTENDER_PORT: "http" });
    expect(stderr).toContain("BARTENDER_PORT");
  });

  test("says that the PostgreSQL server does not answer, without showing the password", async () => {
    const { stderr } = await refused(withKeys, { BARTENDER_DB_PASS: "s3cret", BARTENDER_DB_PORT: "1" });
    expect(stderr).toContain("no database server listens at this address");
    expect(stderr).not.toContain("s3cret");
  });

  test("says when the port is in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((listening) => server.once("listening", listening));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? String(address.port) : "";
    const { stderr } = await refused(withKeys, { BARTENDER_PORT: port });
    server.close();
    expect(stderr).toContain(`port ${port}`);
  });

  test("refuses a job root that is a file", async () => {
    const { stderr } = await refused(async (dir) => {
      await withKeys(dir);
      writeFileSync(join(dir, "jobs"), "");
      mkdirSync(join(dir, "other"));
    });
    expect(stderr).toContain("job_root_dir");
  });
});

describe("check-config", () => {
  test("accepts the example and prints the schema that editors use", async () => {
    using dir = tempDir();
    const checked = await bartender(dir.path, ["check-config", "--config", join(ROOT, "config-example.yaml")]);
    expect(checked).toMatchObject({ status: 0 });
    expect(checked.stdout).toContain("config-example.yaml: OK");
    expect(readdirSync(dir.path)).toEqual([]);
    const schema = await bartender(dir.path, ["check-config", "--schema"]);
    expect(JSON.parse(schema.stdout)).toMatchObject({ type: "object" });
  });
});

describe("demo", () => {
  const expectDemo = ({ status, stdout, stderr }: Ended): void => {
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout).toContain("curl -i -X PUT");
    expect(stdout).toContain("303 See Other");
    expect(stdout).toMatch(/"state":"ok"/);
    expect(stdout).toMatch(/The README has \d+ lines and \d+ words, counted by a job/);
  };

  test("shows the word count, from any directory and whatever the environment says", async () => {
    using dir = tempDir();
    expectDemo(await bartender(dir.path, ["demo"], { BARTENDER_PORT: "1", BARTENDER_DB_URL: "nonsense:" }));
    expect(readdirSync(dir.path)).toEqual([]);
  });

  test("runs on Deno with the same sources", async () => {
    const deno = join(ROOT, "node_modules/.bin/deno");
    expectDemo(await run(deno, ["task", "demo"], ROOT, {}));
  });

  test("--keep leaves a daemon that answers with the printed token", async () => {
    using dir = tempDir();
    const { status, stdout } = await bartender(dir.path, ["demo", "--keep"]);
    expect(status).toBe(0);
    const [, url = "", token = ""] = /URL: +(\S+)\nToken: (\S+)/.exec(stdout) ?? [];
    const pid = Number(/process (\d+)/.exec(stdout)?.[1]);
    try {
      const answer = await fetch(`${url}/api/whoami`, { headers: { authorization: `Bearer ${token}` } });
      expect(await answer.json()).toMatchObject({ username: "me" });
    } finally {
      process.kill(pid, "SIGTERM");
    }
  });
});
