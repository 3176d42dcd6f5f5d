import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ConfigProbe, runCheckConfig } from "../../src/cli/check_config.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { configJsonSchemaText } from "../../src/config/json_schema.ts";
import { capturedIo } from "../support/captured_io.ts";
import { tempDir } from "../support/temp_dir.ts";
import { unprivileged } from "../support/unprivileged.ts";

const GOOD = "applications: {wc: {command_template: wc README.md}}\n";

interface Run {
  readonly files?: Readonly<Record<string, string>>;
  readonly config?: string;
  readonly schema?: boolean;
  readonly variables?: Readonly<Record<string, string>>;
  /** What is found at the destinations; with it, they are tried. */
  readonly probes?: readonly ConfigProbe[];
}

async function run({ files = {}, config, schema = false, variables = {}, probes }: Run) {
  using dir = tempDir();
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir.path, file)), { recursive: true });
    writeFileSync(join(dir.path, file), text);
  }
  const before = readdirSync(dir.path, { recursive: true }).length;
  const read = readEnvironment(variables, dir.path);
  if (!read.isValid) throw new Error(read.faults.join());
  const { io, written } = capturedIo(dir.path);
  const { environment } = read;
  async function* probe() {
    yield* probes ?? [];
  }
  const status = await runCheckConfig({ config, schema, environment, probe: probes && probe }, io);
  expect(readdirSync(dir.path, { recursive: true }).length).toBe(before);
  return { status, ...written() };
}

describe("check-config", () => {
  test("says OK with a summary and status 0", async () => {
    const text = `job_root_dir: jobs\n${GOOD}interactive_applications: {i: {command_template: x, input_schema: {type: object}}}\n`;
    expect(await run({ files: { "config.yaml": text } })).toEqual({
      status: 0,
      stdout: [
        "config.yaml: OK",
        "  1 application: wc",
        "  1 interactive application: i",
        "  1 destination: local (memory + local)",
        "  destination picker: bartender.picker:pick_first",
        "  job root: DIR/jobs",
        "",
      ].join("\n"),
      stderr: "",
    });
    expect(existsSync("jobs")).toBe(false);
  });

  test("warns of a secret that only the daemon may read, and checks all else", async () => {
    using dir = tempDir();
    const config = `${GOOD}destinations: {far: {scheduler: {type: arq, password_file: secret}, filesystem: {type: local}}}\n`;
    writeFileSync(join(dir.path, "config.yaml"), config, { mode: 0o644 });
    writeFileSync(join(dir.path, "secret"), "sesame");
    chmodSync(join(dir.path, "secret"), process.geteuid?.() === 0 ? 0o600 : 0);
    const read = readEnvironment({}, dir.path);
    if (!read.isValid) throw new Error(read.faults.join());
    const { io, written } = capturedIo(dir.path);
    const options = { config: undefined, schema: false, environment: read.environment, probe: undefined };
    const status = await unprivileged(dir.path, () => runCheckConfig(options, io));
    expect(status).toBe(0);
    expect(written().stderr).toMatch(/^config\.yaml:2:\d+: warning: .*password_file: .*secret/);
  });

  test("tells all faults on stderr, one line each, with status 1", async () => {
    const text = `destinations:
  small:
    scheduler:
      type: arq
      job_timeout: P5M
      max_jobs: 0
    filesystem: {type: local}
applications:
  wc: {command: wc}
`;
    const { status, stdout, stderr } = await run({ files: { "config.yaml": text } });
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toBe(
      [
        'config.yaml:5:20: destinations.small.scheduler.job_timeout: expected seconds or an ISO 8601 duration such as PT12H, got "P5M" (invalid duration format: P5M means months, which have no fixed length; did you mean PT5M, minutes?)',
        "config.yaml:6:17: destinations.small.scheduler.max_jobs: expected a whole number greater than or equal to 1, got 0",
        "config.yaml:9:3: applications.wc.command_template: required key is missing",
        'config.yaml:9:8: applications.wc.command: unknown key (did you mean "command_template"?)',
        "",
      ].join("\n"),
    );
  });

  test("a broken file is told without a stack trace", async () => {
    const { status, stderr } = await run({ files: { "config.yaml": "a: [1\nb: 2\n" } });
    expect(status).toBe(1);
    expect(stderr).toStartWith("config.yaml:2:1: not valid YAML: ");
    expect(stderr).not.toContain(" at ");
  });

  test("--config checks another file, named as it was given", async () => {
    const files = { "config.yaml": "", "etc/my.yaml": GOOD };
    expect(await run({ files, config: "etc/my.yaml" })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("etc/my.yaml: OK\n"),
    });
    expect(await run({ files, config: "none.yaml" })).toEqual({
      status: 1,
      stdout: "",
      stderr: 'none.yaml: file or directory at path "none.yaml" does not exist\n',
    });
  });

  test("without --config it checks what serve would use", async () => {
    expect(
      await run({ files: { "my.yaml": GOOD }, variables: { BARTENDER_CONFIG_FILENAME: "my.yaml" } }),
    ).toMatchObject({ status: 0, stdout: expect.stringContaining("my.yaml: OK\n"), stderr: "" });
    expect(await run({ files: { "config-example.yaml": GOOD } })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("config-example.yaml: OK\n"),
      stderr: expect.stringContaining("warning: config.yaml does not exist, using config-example.yaml"),
    });
    expect(await run({})).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('file or directory at path "config.yaml" does not exist'),
    });
  });

  test("warns about expressions that reach the shell without |q", async () => {
    const text = `applications:
  a:
    command_template: echo {{ x }}
    input_schema: {type: object}
destinations:
  x:
    scheduler: {type: dirac, storage_element: s}
    filesystem: {type: dirac, storage_element: s, lfn_root: /v/user/a/ab/c}
`;
    const { status, stdout, stderr } = await run({ files: { "config.yaml": text } });
    expect(status).toBe(0);
    expect(stdout).toContain("config.yaml: OK\n");
    const lines = stderr.split("\n");
    expect(lines[0]).toMatch(
      /^config\.yaml:3:23: warning: applications\.a\.command_template: .*\bx\b.* reaches the shell without \|q/,
    );
    expect(lines.slice(1)).toEqual([""]);
  });

  test("--schema prints the JSON Schema, whatever the configuration", async () => {
    expect(await run({ schema: true })).toEqual({ status: 0, stdout: configJsonSchemaText(), stderr: "" });
  });

  test("--probe shows what was seen at each destination, and fails with one of them", async () => {
    const files = { "config.yaml": `job_root_dir: jobs\n${GOOD}` };
    const good = { subject: "a", findings: [{ isOk: true, text: "All is well" }] };
    const bad = { subject: "b", findings: [{ isOk: false, text: "No route to host" }] };
    const fine = await run({ files, probes: [good] });
    expect(fine.status).toBe(0);
    expect(fine.stdout).toEndWith("a: ok   All is well\n");
    const faulty = await run({ files, probes: [bad, good] });
    expect(faulty.status).toBe(1);
    expect(faulty.stdout).toEndWith("b: FAIL No route to host\na: ok   All is well\n");
  });
});
