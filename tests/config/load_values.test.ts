import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Config, DestinationConfig } from "../../src/config/config.ts";
import type { LoadOptions } from "../../src/config/load.ts";
import { noSmallDiskBecause, smallDisk } from "../support/small_disk.ts";
import { tempDir } from "../support/temp_dir.ts";
import { configOf, faultLines, loadIn, loadText, withDestination } from "./support/load_text.ts";

const MINIMAL = "applications: {wc: {command_template: wc README.md}}\n";

/** What a destination has that says nothing about faults. */
const UNLESS_TOLD: Pick<DestinationConfig, "rules" | "backoff" | "poll"> = {
  rules: { maxAttempts: 20, maxReruns: 0, maxRuntimeS: null, refusesWhenAway: false },
  backoff: { initialMs: 1_000, factor: 2, maxMs: 300_000, jitter: 0.3 },
  poll: { shortestMs: 5_000, longestMs: 60_000 },
};

async function destinationOf(scheduler: string, fileSystem?: string) {
  const config = await configOf(withDestination(scheduler, fileSystem));
  const destination = config.destinations.get("x");
  if (destination === undefined) throw new Error("no destination");
  return destination;
}

describe("loadConfig()", () => {
  test("needs no more than an application", async () => {
    using dir = tempDir();
    writeFileSync(join(dir.path, "config.yaml"), MINIMAL);
    const result = await loadIn(dir.path, "accept");
    if (!result.isValid) throw new Error(faultLines(result).join());
    const { applications, ...rest } = result.config;
    expect(rest).toEqual({
      file: join(dir.path, "config.yaml"),
      interactiveApplications: new Map(),
      destinations: new Map([
        ["local", { scheduler: { type: "memory", slots: 1 }, fileSystem: { type: "local" }, ...UNLESS_TOLD }],
      ]),
      destinationPicker: { kind: "builtin", name: "pick_first", text: "bartender.picker:pick_first" },
      jobRootDir: join(realpathSync(tmpdir()), "jobs"),
      limits: {
        maxUploadBytes: 10_000_000_000,
        maxExpandedBytes: 100_000_000_000,
        maxEntries: 1_000_000,
        maxRatio: 1000,
        wantsDistinctNames: false,
        interactiveMaxLoad: 1,
        submissionsPerMinute: undefined,
        requestsPerMinute: undefined,
        maxUnfinishedJobs: undefined,
        maxStoredJobs: undefined,
        minFreeBytes: 100_000_000,
        maxStreams: 1000,
        maxStreamsPerUser: 20,
      },
      retention: { defaultMs: null, applicationMs: new Map() },
      tokens: { issuers: undefined, allowCookie: true, allowQuery: true },
      commandEnvironment: [],
    });
    expect(applications.get("wc")).toMatchObject({
      name: "wc",
      summary: undefined,
      description: undefined,
      uploadNeeds: [],
      allowedRoles: [],
      inputSchema: undefined,
    });
    expect(applications.get("wc")?.command.render({})).toBe("wc README.md");
    expect(result.warnings).toEqual([]);
  });

  test("reads every key of an application", async () => {
    const config = await configOf(`
applications:
  full:
    command_template: echo {{ n|q }}
    input_schema: {type: object, properties: {n: {type: integer, default: 3}}, $comment: kept}
    upload_needs: [a.txt, 5, b/c..txt]
    allowed_roles: [admin, 7]
    summary: 1.50
    description: long
`);
    const application = config.applications.get("full");
    expect(application).toMatchObject({
      uploadNeeds: ["a.txt", "5", "b/c..txt"],
      allowedRoles: ["admin", "7"],
      summary: "1.50",
      description: "long",
      inputSchema: { type: "object", properties: { n: { type: "integer", default: 3 } }, $comment: "kept" },
    });
    expect(application?.validateForm({})).toEqual({ isValid: true, value: { n: 3 } });
    expect(application?.validateForm({ n: "4" })).toEqual({ isValid: true, value: { n: 4 } });
  });

  test("an application without input_schema drops all fields", async () => {
    const config = await configOf(MINIMAL);
    expect(config.applications.get("wc")?.validateForm({ a: "b" })).toEqual({ isValid: true, value: {} });
  });

  test("reads every key of an interactive application", async () => {
    const config = await configOf(`${MINIMAL}
interactive_applications:
  full:
    command_template: echo {{ n|q }}
    input_schema:
      type: object
      properties:
        n: {type: number}
        plot: {type: string, contentMediaType: image/png, contentEncoding: base64}
        text: {type: string, contentMediaType: text/plain, contentEncoding: utf-8}
        bare: {type: string, contentMediaType: text/plain}
        other: {type: string, contentEncoding: base32}
    timeout: 0.5
    job_application: wc
    summary: short
    description: long
  bare: {command_template: "true", input_schema: {type: object}}
`);
    const full = config.interactiveApplications.get("full");
    expect(full).toMatchObject({
      name: "full",
      timeoutS: 0.5,
      jobApplication: "wc",
      summary: "short",
      description: "long",
    });
    expect(full?.validateBody({ n: 1 })).toEqual({ isValid: true, value: { n: 1 } });
    expect(full?.validateBody({ n: "1" })).toEqual({ isValid: false, violations: ["n: '1' is not of type 'number'"] });
    expect(config.interactiveApplications.get("bare")).toMatchObject({ timeoutS: 30, jobApplication: undefined });
  });

  test("keeps the order of the file, also for names that look like numbers", async () => {
    const config = await configOf(`
applications:
  b: {command_template: x}
  10: {command_template: x}
  2: {command_template: x}
destinations:
  z: &m {scheduler: {type: memory}, filesystem: {type: local}}
  7: *m
  a: *m
`);
    expect([...config.applications.keys()]).toEqual(["b", "10", "2"]);
    expect([...config.destinations.keys()]).toEqual(["z", "7", "a"]);
  });

  test("names of members of objects are names like others", async () => {
    const config = await configOf(
      "applications:\n  __proto__: {command_template: x}\n  constructor: {command_template: y}",
    );
    expect([...config.applications.keys()]).toEqual(["__proto__", "constructor"]);
  });

  test("reads limits, tokens and command_environment", async () => {
    const config = await configOf(`${MINIMAL}
limits:
  {max_upload_bytes: 1_000, max_expanded_bytes: '2000', max_entries: 3.9, max_ratio: 1.5, distinct_names: yes,
   interactive_max_load: 2.5,
   submissions_per_minute: 10, requests_per_minute: 300, max_unfinished_jobs: 20, max_stored_jobs: 500, min_free_bytes: 0,
   max_streams: 50, max_streams_per_user: 5}
tokens: {issuers: [a, b], allow_cookie: no, allow_query: 'off'}
command_environment: [LD_LIBRARY_PATH]
`);
    expect(config.limits).toEqual({
      maxUploadBytes: 1000,
      maxExpandedBytes: 2000,
      maxEntries: 3,
      maxRatio: 1.5,
      wantsDistinctNames: true,
      interactiveMaxLoad: 2.5,
      submissionsPerMinute: 10,
      requestsPerMinute: 300,
      maxUnfinishedJobs: 20,
      maxStoredJobs: 500,
      minFreeBytes: 0,
      maxStreams: 50,
      maxStreamsPerUser: 5,
    });
    expect(config.tokens).toEqual({ issuers: ["a", "b"], allowCookie: false, allowQuery: false });
    expect(config.commandEnvironment).toEqual(["LD_LIBRARY_PATH"]);
  });

  test("a UTF-8 byte order mark and non-ASCII text are fine", async () => {
    const config = await configOf("\uFEFFapplications: {größe: {command_template: du, summary: Größe}}");
    expect(config.applications.get("größe")?.summary).toBe("Größe");
  });
});

describe("destinations", () => {
  test("memory", async () => {
    expect((await destinationOf("{type: memory}")).scheduler).toEqual({ type: "memory", slots: 1 });
    expect((await destinationOf("{type: memory, slots: '3'}")).scheduler).toEqual({ type: "memory", slots: 3 });
    expect((await destinationOf("{type: memory, slots: 2.7}")).scheduler).toEqual({ type: "memory", slots: 2 });
  });

  test("eager", async () => {
    expect((await destinationOf("{type: eager}")).scheduler).toEqual({
      type: "eager",
      maxLoad: 1,
      maxWaitS: 60,
      timeoutS: 300,
    });
    expect((await destinationOf("{type: eager, max_load: 0.5, max_wait: 0, timeout: 7}")).scheduler).toEqual({
      type: "eager",
      maxLoad: 0.5,
      maxWaitS: 0,
      timeoutS: 7,
    });
  });

  test("slurm", async () => {
    expect((await destinationOf("{type: slurm}")).scheduler).toEqual({
      type: "slurm",
      ssh: undefined,
      partition: undefined,
      time: undefined,
      extraOptions: [],
      isSubmitterAccount: false,
      account: undefined,
      qos: undefined,
      resources: {},
      limits: {},
      maxJobs: 10_000,
    });
    const sized = `{type: slurm, cpus: 2, memory: 4G, gpus: 1, max_cpus: 8, max_memory: 1000, max_gpus: 2, max_time: PT2H,
      account: physics, qos: long, max_jobs: 50}`;
    expect((await destinationOf(sized)).scheduler).toMatchObject({
      account: "physics",
      qos: "long",
      resources: { cpus: 2, memoryMb: 4096, gpus: 1 },
      limits: { cpus: 8, memoryMb: 1000, gpus: 2, timeS: 7200 },
      maxJobs: 50,
    });
    const full = `{type: slurm, partition: 5, time: 1:30:00, extra_options: [--nodes 1, 7], submitter_as_account: yes,
      ssh_config: {hostname: h, port: 10022, username: u, password: 1234, private_key: keys/id, passphrase: p,
        known_hosts: ~/hosts, host_key_checking: false, proxy_jump: 'me@gate:2222'}}`;
    expect((await destinationOf(full)).scheduler).toMatchObject({
      type: "slurm",
      partition: "5",
      time: "1:30:00",
      extraOptions: ["--nodes 1", "7"],
      isSubmitterAccount: true,
      ssh: {
        hostname: "h",
        port: 10022,
        username: "u",
        password: "1234",
        passphrase: "p",
        knownHostsFile: join(homedir(), "hosts"),
        isHostKeyChecked: false,
        proxyJump: { username: "me", hostname: "gate", port: 2222 },
      },
    });
  });

  test("ssh_config leaves to OpenSSH's client file what it does not name, but for checked host keys", async () => {
    const { scheduler } = await destinationOf("{type: slurm, ssh_config: {hostname: h}}");
    expect(scheduler).toMatchObject({
      ssh: {
        hostname: "h",
        port: undefined,
        username: undefined,
        password: undefined,
        privateKeyFile: undefined,
        passphrase: undefined,
        knownHostsFile: undefined,
        isHostKeyChecked: true,
        proxyJump: undefined,
      },
    });
  });

  test("a private key is relative to the working directory", async () => {
    using dir = tempDir();
    const text = withDestination("{type: slurm, ssh_config: {hostname: h, private_key: keys/id}}");
    writeFileSync(join(dir.path, "config.yaml"), text);
    const result = await loadIn(dir.path, "accept");
    expect(result.isValid && result.config.destinations.get("x")?.scheduler).toMatchObject({
      ssh: { privateKeyFile: join(dir.path, "keys/id") },
    });
  });

  test.each(["arq", "redis"])("%s", async (type) => {
    expect((await destinationOf(`{type: ${type}}`)).scheduler).toEqual({
      type: "arq",
      redisDsn: "redis://localhost:6379",
      queue: "arq:queue",
      maxJobs: 10,
      jobTimeoutS: 3600,
      heartbeatTimeoutS: 30,
      drainTimeoutS: undefined,
      tls: { caFile: undefined, certFile: undefined, keyFile: undefined, serverName: undefined },
    });
    const full =
      `{type: ${type}, redis_dsn: "rediss://u:p@h:6380/2", queue: large, max_jobs: 2, job_timeout: PT12H, ` +
      "heartbeat_timeout: 60, drain_timeout: PT1M, " +
      "tls: {ca: /etc/ca.pem, cert: /etc/c.pem, key: /etc/k.pem, server_name: redis.example}}";
    expect((await destinationOf(full)).scheduler).toEqual({
      type: "arq",
      redisDsn: "rediss://u:p@h:6380/2",
      queue: "large",
      maxJobs: 2,
      jobTimeoutS: 43_200,
      heartbeatTimeoutS: 60,
      drainTimeoutS: 60,
      tls: { caFile: "/etc/ca.pem", certFile: "/etc/c.pem", keyFile: "/etc/k.pem", serverName: "redis.example" },
    });
  });

  test.each([
    ["90", 90],
    ["'90'", 90],
    ["2.7", 2],
    ["PT5M", 300],
    ["P1D", 86_400],
    ["00:05:00", 300],
    ["1:30:00", 5400],
  ])("job_timeout: %s", async (text, seconds) => {
    expect((await destinationOf(`{type: arq, job_timeout: ${text}}`)).scheduler).toMatchObject({
      jobTimeoutS: seconds,
    });
  });

  test.each(["redis://localhost", "redis://h:1/0", "REDIS://h", "redis://:secret@h:1", "rediss://[::1]:6379/15"])(
    "redis_dsn: %s",
    async (dsn) => {
      expect((await destinationOf(`{type: arq, redis_dsn: "${dsn}"}`)).scheduler).toMatchObject({ redisDsn: dsn });
    },
  );

  test("sftp", async () => {
    expect((await destinationOf("{type: slurm}", "{type: sftp, ssh_config: {hostname: h}}")).fileSystem).toMatchObject({
      type: "sftp",
      entry: "/",
      ssh: { hostname: "h", port: undefined },
      isRemoteKept: false,
      isChecksummed: false,
    });
    const full = "{type: sftp, entry: /home/x, keep_remote: true, checksum: yes, ssh_config: {hostname: h}}";
    expect((await destinationOf("{type: arq}", full)).fileSystem).toMatchObject({
      entry: "/home/x",
      isRemoteKept: true,
      isChecksummed: true,
    });
  });

  test("dirac", async () => {
    const bare = "{type: dirac, storage_element: SE}";
    const lfn = "{type: dirac, storage_element: SE, lfn_root: /tutoVO/user/c/ciuser/jobs}";
    const proxy = {
      valid: undefined,
      certFile: undefined,
      keyFile: undefined,
      group: undefined,
      password: undefined,
      minLifeS: 1800,
      logLevel: "INFO",
      file: undefined,
    };
    const job = {
      cpuTimeS: undefined,
      platform: undefined,
      sites: [],
      bannedSites: [],
      tags: [],
      processors: undefined,
    };
    const common = { type: "dirac", ssh: undefined, storageElement: "SE", proxy } as const;
    expect(await destinationOf(bare, lfn)).toEqual({
      scheduler: { ...common, ...job, apptainerImage: undefined, maxJobs: 1000 },
      fileSystem: { ...common, lfnRoot: "/tutoVO/user/c/ciuser/jobs" },
      ...UNLESS_TOLD,
    });
    const full = `{type: dirac, storage_element: SE, apptainer_image: /cvmfs/x.sif, proxy: {valid: 24:00, cert: /c.pem,
      key: /k.pem, group: g, password: p, min_life: 60, log_level: DEBUG, file: /p.pem}, cpu_time: PT2H, platform: x86_64,
      sites: [LCG.CERN.ch], banned_sites: [LCG.A.nl, LCG.B.nl], tags: [GPU], processors: 4, max_jobs: 50,
      ssh_config: {hostname: ui.example.org}}`;
    expect((await destinationOf(full, lfn)).scheduler).toEqual({
      type: "dirac",
      ssh: expect.objectContaining({ hostname: "ui.example.org", isHostKeyChecked: true }),
      storageElement: "SE",
      apptainerImage: "/cvmfs/x.sif",
      cpuTimeS: 7200,
      platform: "x86_64",
      sites: ["LCG.CERN.ch"],
      bannedSites: ["LCG.A.nl", "LCG.B.nl"],
      tags: ["GPU"],
      processors: 4,
      maxJobs: 50,
      proxy: {
        valid: "24:00",
        certFile: "/c.pem",
        keyFile: "/k.pem",
        group: "g",
        password: "p",
        minLifeS: 60,
        logLevel: "DEBUG",
        file: "/p.pem",
      },
    });
  });

  test.each(["/VO/user/c/ci/", "/VO/user/c/ciuser//", "/v_1/user/C/Ci/x y/z"])("lfn_root: %s", async (root) => {
    const fileSystem = `{type: dirac, storage_element: SE, lfn_root: "${root}"}`;
    expect((await destinationOf("{type: dirac, storage_element: SE}", fileSystem)).fileSystem).toMatchObject({
      lfnRoot: root,
    });
  });

  test.each(["partition", "time", "ssh_config"])("an optional key may be empty: %s", async (key) => {
    expect((await destinationOf(`{type: slurm, ${key}: }`)).scheduler).toMatchObject({ partition: undefined });
    expect((await destinationOf(`{type: slurm, ${key}: null}`)).scheduler).toMatchObject({ ssh: undefined });
  });

  test("what is to be done about faults", async () => {
    const config = await configOf(`${MINIMAL}
destinations:
  x:
    scheduler: {type: eager}
    filesystem: {type: local}
    retry: {max_attempts: 5, initial_delay: 10, max_delay: PT1H}
    on_interrupt: rerun
    when_away: refuse
    max_runtime: P1D
`);
    expect(config.destinations.get("x")).toMatchObject({
      rules: { maxAttempts: 5, maxReruns: 3, maxRuntimeS: 86_400, refusesWhenAway: true },
      backoff: { initialMs: 10_000, factor: 2, maxMs: 3_600_000 },
    });
  });

  test("parts may be repeated by aliases and merges", async () => {
    const config = await configOf(`${MINIMAL}
destinations:
  one:
    scheduler: {type: slurm, ssh_config: &login {hostname: h, username: u}}
    filesystem: {type: sftp, ssh_config: *login}
  two:
    scheduler: {type: slurm, ssh_config: {<<: *login, hostname: other}}
    filesystem: {type: local}
`);
    expect(config.destinations.get("one")?.fileSystem).toMatchObject({ ssh: { hostname: "h", username: "u" } });
    expect(config.destinations.get("two")?.scheduler).toMatchObject({ ssh: { hostname: "other", username: "u" } });
  });
});

describe("job_root_dir", () => {
  async function jobRoot(value: string, missing: "create" | "require" | "accept", directory: string) {
    writeFileSync(join(directory, "config.yaml"), `job_root_dir: ${value}\n${MINIMAL}`);
    const result = await loadIn(directory, missing);
    return result.isValid ? result.config.jobRootDir : faultLines(result);
  }

  test("is made when missing, with its parents", async () => {
    using dir = tempDir();
    expect(await jobRoot("a/b", "create", dir.path)).toBe(join(dir.path, "a/b"));
    expect(existsSync(join(dir.path, "a/b"))).toBe(true);
  });

  test("is not made when only checked, nor when something else is wrong", async () => {
    using dir = tempDir();
    expect(await jobRoot("a", "accept", dir.path)).toBe(join(dir.path, "a"));
    expect(await jobRoot("a\nunknown: 1", "create", dir.path)).toEqual([
      expect.stringContaining("config.yaml:2:1: unknown: unknown key"),
    ]);
    expect(existsSync(join(dir.path, "a"))).toBe(false);
  });

  test("must exist where it is required", async () => {
    using dir = tempDir();
    expect(await jobRoot("a", "require", dir.path)).toEqual([
      `config.yaml:1:15: job_root_dir: file or directory at path "${dir.path}/a" does not exist`,
    ]);
    mkdirSync(join(dir.path, "a"));
    expect(await jobRoot("a", "require", dir.path)).toBe(join(dir.path, "a"));
  });

  test("must be a directory", async () => {
    using dir = tempDir();
    writeFileSync(join(dir.path, "file"), "");
    for (const missing of ["create", "require", "accept"] as const) {
      expect(await jobRoot("file", missing, dir.path)).toEqual([
        `config.yaml:1:15: job_root_dir: path "${dir.path}/file" does not point to a directory`,
      ]);
    }
    expect(await jobRoot("file/below", "create", dir.path)).toEqual([
      expect.stringContaining(
        `config.yaml:1:15: job_root_dir: directory at path "${dir.path}/file/below" cannot be used`,
      ),
    ]);
  });

  test.skipIf(noSmallDiskBecause() !== undefined)("of a read-only disk may be one that systemd protects", async () => {
    using dir = tempDir();
    using disk = smallDisk(65_536);
    execFileSync("mount", ["-o", "remount,ro", disk.path]);
    expect(await jobRoot(disk.path, "create", dir.path)).toEqual([
      expect.stringMatching(/cannot be used: EROFS: .*; a service of systemd needs it in ReadWritePaths=$/),
    ]);
  });

  test("has links resolved, also before it exists", async () => {
    using dir = tempDir();
    mkdirSync(join(dir.path, "real"));
    symlinkSync("real", join(dir.path, "link"));
    expect(await jobRoot("link", "create", dir.path)).toBe(join(dir.path, "real"));
    expect(await jobRoot("link/new", "accept", dir.path)).toBe(join(dir.path, "real/new"));
  });

  test("may begin with ~", async () => {
    using dir = tempDir();
    const fromHome = relative(homedir(), dir.path);
    expect(await jobRoot(`~/${fromHome}/jobs`, "create", dir.path)).toBe(join(dir.path, "jobs"));
    expect(await jobRoot('"~"', "accept", dir.path)).toBe(realpathSync(homedir()));
  });
});

describe("destination_picker", () => {
  async function picker(
    value: string,
    files: readonly string[] = [],
    more: Partial<LoadOptions> = {},
  ): Promise<Config["destinationPicker"] | readonly string[]> {
    using dir = tempDir();
    mkdirSync(join(dir.path, "work"));
    mkdirSync(join(dir.path, "etc"));
    for (const file of files) writeFileSync(join(dir.path, file), "");
    writeFileSync(join(dir.path, "etc/config.yaml"), `destination_picker: "${value}"\n${MINIMAL}`);
    const { loadConfig } = await import("../../src/config/load.ts");
    const workingDirectory = join(dir.path, "work");
    const result = await loadConfig({
      ...{ file: "../etc/config.yaml", workingDirectory, missingJobRoot: "accept", ...more },
    });
    const lines = result.isValid ? result.config.destinationPicker : faultLines(result);
    return JSON.parse(JSON.stringify(lines).replaceAll(dir.path, "DIR"));
  }

  test.each(["pick_first", "pick_byname", "pick_byindex", "pick_round"])("%s, with a colon or a dot", async (name) => {
    for (const text of [`bartender.picker:${name}`, `bartender.picker.${name}`]) {
      expect(await picker(text)).toEqual({ kind: "builtin", name: name as "pick_first", text });
    }
  });

  test("a module is looked for beside the file, then in the working directory", async () => {
    const found = { kind: "module", exportName: "pick" };
    expect(await picker("p.ts:pick", ["etc/p.ts", "work/p.ts"])).toMatchObject({ ...found, path: "DIR/etc/p.ts" });
    expect(await picker("p.ts:pick", ["work/p.ts"])).toMatchObject({ ...found, path: "DIR/work/p.ts" });
    expect(await picker("./p.js:pick", ["etc/p.js"])).toMatchObject({ ...found, path: "DIR/etc/p.js" });
    expect(await picker("../work/p.mjs:$pick1", ["work/p.mjs"])).toMatchObject({ exportName: "$pick1" });
    expect(await picker("p.ts:pick")).toEqual([
      'config.yaml:1:21: destination_picker: file does not exist at path "DIR/etc/p.ts" nor at "DIR/work/p.ts"',
    ]);
    expect(await picker("p.ts:pick", [], { mayLackPicker: true })).toMatchObject({ ...found, path: "DIR/etc/p.ts" });
  });

  test.each([
    ["bartender.picker:pick_rond", 'did you mean "bartender.picker:pick_round"?'],
    ["pick_first", 'did you mean "bartender.picker:pick_first"?'],
    ["picker.py:pick", 'Python files cannot be loaded, got "picker.py:pick"; port it to a .ts or .js file'],
    ["/srv/picker.py:pick", "Python files cannot be loaded"],
    ["my.module:pick", "Python modules cannot be loaded"],
    ["custom.picker", "Python modules cannot be loaded"],
    ["picker.ts", "expected the name of an export after the file, e.g. picker.ts:pick"],
    ["picker.ts:", "expected the name of an export after the file"],
    ["picker.ts:a b", "expected the name of an export after the file"],
    ["", "expected text, got nothing"],
  ])("%j is refused", async (text, reason) => {
    const faults = await picker(text);
    expect(faults).toEqual([expect.stringContaining(reason)]);
    expect(faults).toEqual([expect.stringMatching(/^config\.yaml:1:21: destination_picker: /)]);
  });
});

describe("warnings", () => {
  test("an expression that reaches the shell without |q is named", async () => {
    const result = await loadText(
      "applications:\n  a:\n    command_template: echo {{ x }} {{ y|q }}\n    input_schema: {type: object}\n",
    );
    expect(result.isValid).toBe(true);
    expect(result.warnings.length).toBe(1);
    expect(result.warnings[0]).toMatchObject({
      position: { line: 3, column: 23 },
      path: ["applications", "a", "command_template"],
    });
    expect(result.warnings[0]?.message).toBe("{{ x }} reaches the shell without |q (line 1, column 9 of the template)");
  });

  test("a declared number or boolean need not be quoted", async () => {
    const properties = "n: {type: integer}, f: {type: number}, b: {type: boolean}, s: {type: string}";
    const result = await loadText(
      `applications:\n  a:\n    command_template: echo {{ n }} {{ f }} {{ b }} {{ s }}\n    input_schema: {type: object, properties: {${properties}}}\n`,
    );
    expect(result.warnings.map(({ message }) => message)).toEqual([
      "{{ s }} reaches the shell without |q (line 1, column 33 of the template)",
    ]);
  });

  test("destinations that share a queue and treat jobs in different ways are named", async () => {
    const withQueues = (second: string, rest = "filesystem: {type: local}") =>
      loadText(`applications: {a: {command_template: echo}}
destinations:
  small: {scheduler: {type: arq, redis_dsn: "redis://h/3"}, filesystem: {type: local}, on_interrupt: error}
  large: {scheduler: {type: redis, ${second}}, ${rest}}
`);
    const messages = async (...given: Parameters<typeof withQueues>) =>
      (await withQueues(...given)).warnings.map(({ message }) => message);
    const warning = (keys: string) => [
      `is shared with destination "small", whose performers run its jobs by their own ${keys}`,
    ];
    expect(await messages('redis_dsn: "redis://h?db=3", job_timeout: PT2H, max_jobs: 2')).toEqual(
      warning("job_timeout"),
    );
    expect(await messages('redis_dsn: "redis://h/3", sandbox: [bwrap]')).toEqual(warning("sandbox"));
    const elsewhere = "filesystem: {type: sftp, entry: /jobs, ssh_config: {hostname: h}}, on_interrupt: rerun";
    expect(await messages('redis_dsn: "redis://h/3"', elsewhere)).toEqual(warning("filesystem, on_interrupt"));
    for (const same of ['redis_dsn: "redis://h/3", job_timeout: PT1H', 'redis_dsn: "redis://h/4", job_timeout: 1']) {
      expect(await messages(same)).toEqual([]);
    }
    expect(await messages('redis_dsn: "redis://h/3", queue: large, job_timeout: 1')).toEqual([]);
    const [found] = (await withQueues('redis_dsn: "redis://h/3", job_timeout: 1')).warnings;
    expect(found).toMatchObject({ position: { line: 4 }, path: ["destinations", "large", "scheduler", "queue"] });
  });

  test("a parameter in redis_dsn without a meaning is named, but not its value", async () => {
    const scheduler = "{type: arq, redis_dsn: 'redis://h?timeout=secret&db=3'}";
    const { warnings } = await loadText(withDestination(scheduler));
    expect(warnings.map(({ message }) => message)).toEqual(["the parameter timeout is ignored"]);
    expect((await destinationOf(scheduler)).scheduler).toMatchObject({ redisDsn: "redis://h/3" });
  });
});

test("config-example.yaml loads without warnings", async () => {
  const example = readFileSync(join(import.meta.dir, "../../config-example.yaml"), "utf8");
  const result = await loadText(example);
  expect(faultLines(result)).toEqual([]);
  expect(result.warnings).toEqual([]);
});
