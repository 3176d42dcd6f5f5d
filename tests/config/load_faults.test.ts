import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "../support/temp_dir.ts";
import { faultLines, faultsOf, loadIn, withDestination } from "./support/load_text.ts";

const MINIMAL = "applications: {wc: {command_template: wc README.md}}\n";

/** Expects exactly these faults; each is compared with the beginning of its line. */
async function expectFaults(text: string | Uint8Array, beginnings: readonly string[]): Promise<void> {
  const faults = await faultsOf(text);
  expect(faults.map((fault, index) => fault.slice(0, beginnings[index]?.length ?? fault.length))).toEqual([
    ...beginnings,
  ]);
}

describe("the file", () => {
  test("that is absent or a directory is refused", async () => {
    using dir = tempDir();
    expect(faultLines(await loadIn(dir.path, "accept"))).toEqual([
      'config.yaml: file or directory at path "config.yaml" does not exist',
    ]);
    mkdirSync(join(dir.path, "config.yaml"));
    expect(faultLines(await loadIn(dir.path, "accept"))).toEqual([
      'config.yaml: path "config.yaml" does not point to a file',
    ]);
  });

  test.each(["", "\n\n", "# only a comment\n", "---\n", "null"])("that is empty is refused: %j", async (text) => {
    await expectFaults(text, ["config.yaml:1:1: expected a map with the key applications, got an empty file"]);
  });

  test.each([
    ["- a\n- b", "config.yaml:1:1: expected a map, got a list"],
    ["just text", 'config.yaml:1:1: expected a map, got "just text"'],
    ["5", "config.yaml:1:1: expected a map, got 5"],
  ])("that is no map is refused: %j", async (text, fault) => {
    await expectFaults(text, [fault]);
  });

  test("that is not UTF-8 is refused", async () => {
    await expectFaults(new Uint8Array([0x61, 0x3a, 0x20, 0xff]), ["config.yaml: not valid UTF-8"]);
  });

  test("with wrong syntax is refused with the places", async () => {
    await expectFaults("applications:\n  wc: [a, b\n", ["config.yaml:3:1: not valid YAML: "]);
    await expectFaults("a: @x\nb: `y`\n", ["config.yaml:1:4: not valid YAML: ", "config.yaml:2:4: not valid YAML: "]);
  });

  test("with several documents, tags, unknown anchors or a key given twice is refused", async () => {
    await expectFaults(`${MINIMAL}---\na: 1\n`, [
      "config.yaml:2:1: expected one YAML document, found another one here",
    ]);
    await expectFaults("applications: !!python/object:os.system {}", [
      "config.yaml:1:41: applications: YAML tags are not supported",
    ]);
    await expectFaults("applications: *x", ["config.yaml:1:15: applications: no anchor &x before the alias *x"]);
    await expectFaults(`${MINIMAL}applications: {}\n`, [
      "config.yaml:2:1: applications: duplicate key, first given in line 1",
    ]);
  });
});

describe("keys", () => {
  test("that are unknown are refused on every level, with the nearest known one", async () => {
    await expectFaults(
      `
aplications: {}
applications:
  wc:
    command_template: wc
    upload_need: [a]
    command: wc
interactive_applications:
  i:
    command_template: wc
    input_schema: {type: object}
    time_out: 3
destinations:
  x:
    schedular: {type: memory}
    scheduler: {type: memory, slot: 1}
    filesystem: {type: local, entry: /}
  y:
    scheduler: {type: slurm, ssh_config: {hostname: h, host_name: h, user: u}}
    filesystem: {type: local}
  z:
    scheduler: {type: dirac, storage_element: x, proxy: {loglevel: INFO}}
    filesystem: {type: dirac, storage_element: x, lfn_root: /v/user/a/ab/}
limits: {max_upload: 5}
tokens: {issuer: x}
destination_pikcer: x
zzzzzzz: 1
`,
      [
        "config.yaml:2:1: aplications: unknown key (known here: job_root_dir, applications, interactive_applications, destinations, destination_picker, keep_for, limits, tokens, command_environment)",
        'config.yaml:6:5: applications.wc.upload_need: unknown key (did you mean "upload_needs"?)',
        "config.yaml:7:5: applications.wc.command: unknown key",
        'config.yaml:12:5: interactive_applications.i.time_out: unknown key (did you mean "timeout"?)',
        "config.yaml:15:5: destinations.x.schedular: unknown key (known here: scheduler, filesystem,",
        'config.yaml:16:31: destinations.x.scheduler.slot: unknown key (did you mean "slots"?)',
        "config.yaml:17:31: destinations.x.filesystem.entry: unknown key (only for type sftp)",
        "config.yaml:19:56: destinations.y.scheduler.ssh_config.host_name: unknown key",
        'config.yaml:19:70: destinations.y.scheduler.ssh_config.user: unknown key (did you mean "username"?)',
        'config.yaml:22:58: destinations.z.scheduler.proxy.loglevel: unknown key (did you mean "log_level"?)',
        'config.yaml:24:10: limits.max_upload: unknown key (did you mean "max_upload_bytes"?)',
        'config.yaml:25:10: tokens.issuer: unknown key (did you mean "issuers"?)',
        'config.yaml:26:1: destination_pikcer: unknown key (did you mean "destination_picker"?)',
        "config.yaml:27:1: zzzzzzz: unknown key (known here: ",
      ],
    );
  });

  test("that old guides have are explained", async () => {
    await expectFaults(
      `applications:
  a:
    command: wc
    upload_needs: {README.md: text}
    input_schema: {properties: {}}
destinations:
  x:
    scheduler: {type: slurm}
    filesystem: {type: sftp, hostname: h}
  y:
    scheduler: {type: arq, job_timeout: P5M}
    filesystem: {type: dirac}
  z:
    scheduler: {type: slurm}
    filesystem: {type: dirac, storage_element: s, lfn_root: /v/user/a/ab/c}
destination_picker: custom.picker
`,
      [
        "config.yaml:2:3: applications.a.command_template: required key is missing",
        'config.yaml:3:5: applications.a.command: unknown key (did you mean "command_template"?)',
        "config.yaml:4:19: applications.a.upload_needs: expected a list, got a map",
        "config.yaml:5:19: applications.a.input_schema: input_schema should have type=object, got no type",
        "config.yaml:9:5: destinations.x.filesystem.ssh_config: required key is missing",
        "config.yaml:9:30: destinations.x.filesystem.hostname: unknown key (it belongs inside ssh_config)",
        'config.yaml:11:41: destinations.y.scheduler.job_timeout: expected seconds or an ISO 8601 duration such as PT12H, got "P5M" (invalid duration format: P5M means months, which have no fixed length; did you mean PT5M, minutes?)',
        "config.yaml:12:5: destinations.y.filesystem.lfn_root: required key is missing",
        "config.yaml:12:5: destinations.y.filesystem.storage_element: required key is missing",
        "config.yaml:15:24: destinations.z.filesystem.type: slurm jobs cannot use a dirac file system",
        "config.yaml:16:21: destination_picker: Python modules cannot be loaded",
      ],
    );
  });

  test("of another type say so", async () => {
    await expectFaults(withDestination("{type: memory, max_load: 1, job_timeout: 5}"), [
      "config.yaml:5:31: destinations.x.scheduler.max_load: unknown key (only for type eager)",
      "config.yaml:5:44: destinations.x.scheduler.job_timeout: unknown key (only for type arq, redis)",
    ]);
  });

  test("that stand a level too high say where they belong", async () => {
    await expectFaults(
      `${MINIMAL}destinations:\n  x: {scheduler: {type: memory}, filesystem: {type: local}, slots: 3}\n`,
      ["config.yaml:3:61: destinations.x.slots: unknown key (it belongs inside scheduler)"],
    );
  });
});

describe("applications", () => {
  test.each([
    [
      "destinations: {x: {scheduler: {type: memory}, filesystem: {type: local}}}",
      "config.yaml:1:1: applications: required key is missing",
    ],
    ["applications: {}", "config.yaml:1:15: applications: must contain at least one application"],
    ["applications:", "config.yaml:1:1: applications: expected a map, got nothing"],
    ["applications: null", "config.yaml:1:15: applications: expected a map, got nothing"],
    ["applications: [wc]", "config.yaml:1:15: applications: expected a map, got a list"],
    ["applications: {wc: wc README.md}", 'config.yaml:1:20: applications.wc: expected a map, got "wc README.md"'],
    ["applications: {wc: }", "config.yaml:1:16: applications.wc: expected a map, got nothing"],
    ["applications: {wc: {}}", "config.yaml:1:16: applications.wc.command_template: required key is missing"],
    [
      "applications: {wc: {command_template: ''}}",
      "config.yaml:1:39: applications.wc.command_template: expected text, got nothing",
    ],
    [
      "applications: {wc: {command_template: }}",
      "config.yaml:1:21: applications.wc.command_template: expected text, got nothing",
    ],
    [
      "applications: {wc: {command_template: true}}",
      "config.yaml:1:39: applications.wc.command_template: expected text, got true (put it in quotes)",
    ],
    [
      "applications: {wc: {command_template: [wc]}}",
      "config.yaml:1:39: applications.wc.command_template: expected text, got a list",
    ],
    [
      "applications: {a/b: {command_template: x}}",
      'config.yaml:1:16: applications."a/b": name: "a/b" should be usable in a URL',
    ],
    [
      "applications: {..: {command_template: x}}",
      'config.yaml:1:16: applications."..": name: ".." should be usable in a URL',
    ],
    [
      "applications: {'': {command_template: x}}",
      'config.yaml:1:16: applications."": name: expected text, got nothing',
    ],
    [
      'applications: {"a\\nb": {command_template: x}}',
      'config.yaml:1:16: applications."a\\nb": name: "a\\nb" should be usable in a URL',
    ],
    [
      `applications: {${"x".repeat(201)}: {command_template: x}}`,
      `config.yaml:1:16: applications.${"x".repeat(201)}: name: expected at most 200 characters, got 201`,
    ],
  ])("%s", async (text, fault) => {
    await expectFaults(text, [fault]);
  });

  test.each([
    ["upload_needs: a.txt", '19: applications.a.upload_needs: expected a list, got "a.txt"'],
    [
      "upload_needs: null",
      "19: applications.a.upload_needs: expected a value, got nothing (leave the key out to get the default)",
    ],
    ["upload_needs: [true]", "20: applications.a.upload_needs[0]: expected text, got true (put it in quotes)"],
    ["upload_needs: [a, [b]]", "23: applications.a.upload_needs[1]: expected text, got a list"],
    [
      "upload_needs: [/etc/passwd]",
      '20: applications.a.upload_needs[0]: "/etc/passwd" should be a file name relative to the root of the archive',
    ],
    ["upload_needs: [a/../../b]", '20: applications.a.upload_needs[0]: "a/../../b" should be a file name relative'],
    ["upload_needs: ['']", '20: applications.a.upload_needs[0]: "" should be a file name relative'],
    ["allowed_roles: admin", '20: applications.a.allowed_roles: expected a list, got "admin"'],
    ["summary: [x]", "14: applications.a.summary: expected text, got a list"],
    ["description: false", "18: applications.a.description: expected text, got false (put it in quotes)"],
    ["input_schema: object", '19: applications.a.input_schema: expected a map, got "object"'],
    [
      "input_schema: {type: array}",
      '19: applications.a.input_schema: input_schema should have type=object, got "array"',
    ],
    [
      "input_schema: {type: object, properties: {x: {type: strng}}}",
      "57: applications.a.input_schema.properties.x.type: not valid in a JSON Schema: expected one of array, boolean",
    ],
    [
      "input_schema: {type: object, properties: {x: {default: .inf}}}",
      "60: applications.a.input_schema.properties.x.default: expected a value that JSON knows, got .inf",
    ],
    [
      "input_schema: {type: object, required: [x, x]}",
      "44: applications.a.input_schema.required: not valid in a JSON Schema: must not have duplicate items",
    ],
  ])("%s", async (line, fault) => {
    const text = `applications:\n  a:\n    command_template: x\n    ${line}\n`;
    await expectFaults(text, [`config.yaml:4:${fault}`]);
  });

  test("templates are parsed, and faults stand at the place of the text", async () => {
    await expectFaults(
      "applications:\n  a:\n    command_template: echo {{ x|nope }}\n  b:\n    command_template: >\n      {% if x %}\n      y\n",
      [
        "config.yaml:3:23: applications.a.command_template: line 1",
        "config.yaml:5:23: applications.b.command_template: line ",
      ],
    );
  });
});

describe("interactive_applications", () => {
  async function expectOne(lines: readonly string[], faults: readonly string[]): Promise<void> {
    await expectFaults(
      `${MINIMAL}interactive_applications:\n  i:\n    command_template: x\n    ${lines.join("\n    ")}\n`,
      faults,
    );
  }

  test("need a schema", async () => {
    await expectOne([], ["config.yaml:3:3: interactive_applications.i.input_schema: required key is missing"]);
    await expectOne(
      ["input_schema:"],
      ["config.yaml:5:5: interactive_applications.i.input_schema: expected a map, got nothing"],
    );
  });

  test.each([
    ["0", "0"],
    ["-1", "-1"],
    ["60.5", "60.5"],
    ["61", "61"],
    ["soon", '"soon"'],
    ["PT30S", '"PT30S"'],
    ["true", "true"],
    [".inf", ".inf"],
    ["[3]", "a list"],
  ])("refuse timeout %s", async (value, got) => {
    await expectOne(
      ["input_schema: {type: object}", `timeout: ${value}`],
      [
        `config.yaml:6:14: interactive_applications.i.timeout: expected a number greater than 0 and less than or equal to 60, got ${got}`,
      ],
    );
  });

  test("refuse a job_application that is none", async () => {
    await expectOne(
      ["input_schema: {type: object}", "job_application: wx"],
      [
        'config.yaml:6:22: interactive_applications.i.job_application: Interactive application i has invalid job_application wx (did you mean "wc"?)',
      ],
    );
  });

  test("refuse embedded files of an unknown encoding or with an impossible name", async () => {
    await expectOne(
      [
        "input_schema:",
        "  type: object",
        "  properties:",
        "    a: {type: string, contentMediaType: image/png, contentEncoding: base32}",
        "    b/c: {type: string, contentMediaType: image/png}",
      ],
      [
        'config.yaml:8:73: interactive_applications.i.input_schema.properties.a.contentEncoding: expected base64 or utf-8, got "base32"',
        'config.yaml:9:9: interactive_applications.i.input_schema.properties."b/c": an embedded file is named like its property',
      ],
    );
  });

  test("have names like applications", async () => {
    await expectFaults(
      `${MINIMAL}interactive_applications: {a/b: {command_template: x, input_schema: {type: object}}}`,
      ['config.yaml:2:28: interactive_applications."a/b": name: '],
    );
    await expectFaults(`${MINIMAL}interactive_applications:`, [
      "config.yaml:2:1: interactive_applications: expected a value, got nothing",
    ]);
  });
});

describe("destinations", () => {
  test.each([
    ["destinations: {}", "config.yaml:2:15: destinations: must contain at least one destination"],
    [
      "destinations:",
      "config.yaml:2:1: destinations: expected a value, got nothing (leave the key out to get the default)",
    ],
    [
      "destinations: null",
      "config.yaml:2:15: destinations: expected a value, got nothing (leave the key out to get the default)",
    ],
    ["destinations: {x: local}", 'config.yaml:2:19: destinations.x: expected a map, got "local"'],
    [
      "destinations: {'': {scheduler: {type: memory}, filesystem: {type: local}}}",
      'config.yaml:2:16: destinations."": name: expected text',
    ],
    [
      "destinations: {x: {scheduler: {type: memory}}}",
      "config.yaml:2:16: destinations.x.filesystem: required key is missing",
    ],
    [
      "destinations: {x: {filesystem: {type: local}}}",
      "config.yaml:2:16: destinations.x.scheduler: required key is missing",
    ],
  ])("%s", async (text, fault) => {
    await expectFaults(MINIMAL + text, [fault]);
  });

  const SCHEDULERS = "(allowed values: 'memory', 'eager', 'slurm', 'arq', 'redis', 'dirac')";
  test.each([
    ["memory", `16: expected a map with the key type ${SCHEDULERS}, got "memory"`],
    ["{slots: 1}", `5: Discriminator 'type' is missing in value ${SCHEDULERS}`],
    [
      "{type: slrum}",
      `23:type: No match for discriminator 'type' and value 'slrum' ${SCHEDULERS} (did you mean "slurm"?)`,
    ],
    ["{type: [memory]}", "23:type: No match for discriminator 'type' and value 'a list'"],
    ["{type: }", "17:type: No match for discriminator 'type' and value ''"],
    ["{type: memory, slots: 0}", "38:slots: expected a whole number greater than or equal to 1, got 0"],
    ["{type: memory, slots: 0.9}", "38:slots: expected a whole number greater than or equal to 1, got 0.9"],
    ["{type: memory, slots: -1}", "38:slots: expected a whole number greater than or equal to 1, got -1"],
    ["{type: memory, slots: many}", '38:slots: expected a whole number greater than or equal to 1, got "many"'],
    ["{type: memory, slots: ''}", '38:slots: expected a whole number greater than or equal to 1, got ""'],
    ["{type: memory, slots: true}", "38:slots: expected a whole number greater than or equal to 1, got true"],
    ["{type: memory, slots: [1]}", "38:slots: expected a whole number greater than or equal to 1, got a list"],
    ["{type: memory, slots: 1e300}", "38:slots: expected a whole number greater than or equal to 1, got 1e300"],
    ["{type: memory, slots: .nan}", "38:slots: expected a whole number greater than or equal to 1, got .nan"],
    ["{type: memory, slots: }", "31:slots: expected a value, got nothing (leave the key out to get the default)"],
    ["{type: eager, max_load: 0}", "40:max_load: expected a number greater than 0, got 0"],
    ["{type: eager, max_wait: -1}", "40:max_wait: expected a whole number greater than or equal to 0, got -1"],
    ["{type: eager, timeout: 0}", "39:timeout: expected a whole number greater than or equal to 1, got 0"],
    ["{type: slurm, partition: [a]}", "41:partition: expected text, got a list"],
    ['{type: slurm, time: "a\\nb"}', '36:time: "a\\nb" should be one line of text'],
    ["{type: slurm, extra_options: --nodes 1}", '45:extra_options: expected a list, got "--nodes 1"'],
    ['{type: slurm, extra_options: ["a\\nb"]}', '46:extra_options[0]: "a\\nb" should be one line of text'],
    ["{type: slurm, extra_options: [--array=1-3]}", "46:extra_options[0]: --array would keep Bartender from following"],
    ["{type: slurm, extra_options: [-M other]}", "46:extra_options[0]: -M would keep Bartender from following"],
    ["{type: slurm, submitter_as_account: maybe}", '52:submitter_as_account: expected true or false, got "maybe"'],
    ["{type: slurm, ssh_config: host}", '42:ssh_config: expected a map, got "host"'],
    ["{type: slurm, ssh_config: {}}", "30:ssh_config.hostname: required key is missing"],
    [
      "{type: slurm, ssh_config: {hostname: h, port: 70000}}",
      "62:ssh_config.port: expected a whole number greater than or equal to 1 and less than or equal to 65535, got 70000",
    ],
    [
      "{type: slurm, ssh_config: {hostname: h, host_key_checking: ask}}",
      '75:ssh_config.host_key_checking: expected true or false, got "ask"',
    ],
    ["{type: arq, redis_dsn: localhost}", "39:redis_dsn: expected an address such as redis://localhost:6379"],
    [
      "{type: arq, redis_dsn: 'redis://h?db=x'}",
      "39:redis_dsn: expected the number of a database for db, e.g. redis://localhost:6379/0 or redis://localhost:6379?db=0",
    ],
    [
      "{type: arq, tls: {ca: /ca.pem}}",
      "28:tls: is for rediss:// only; with redis:// in redis_dsn nothing would be encrypted",
    ],
    ["{type: arq, redis_dsn: 'rediss://h', tls: {cert: /own.pem}}", "53:tls: cert and key belong together"],
    ["{type: arq, queue: ''}", "35:queue: expected text, got nothing"],
    ["{type: arq, max_jobs: 0}", "38:max_jobs: expected a whole number greater than or equal to 1, got 0"],
    [
      "{type: arq, job_timeout: 0}",
      "41:job_timeout: expected seconds or an ISO 8601 duration such as PT12H, got 0 (invalid duration format: shorter than a second)",
    ],
    [
      "{type: arq, job_timeout: -5}",
      "41:job_timeout: expected seconds or an ISO 8601 duration such as PT12H, got -5 (invalid duration format: ",
    ],
    [
      "{type: arq, job_timeout: true}",
      "41:job_timeout: expected a number or text greater than or equal to 1, got true",
    ],
    [
      "{type: arq, job_timeout: soon}",
      '41:job_timeout: expected seconds or an ISO 8601 duration such as PT12H, got "soon" (invalid duration format: ',
    ],
  ])("refuse scheduler %s", async (scheduler, fault) => {
    const [, column, key, rest] = /^(\d+)(?::([^\s:]+))?(: .*)$/s.exec(fault) ?? [];
    const path = key === undefined ? "" : `.${key}`;
    await expectFaults(withDestination(scheduler), [`config.yaml:5:${column}: destinations.x.scheduler${path}${rest}`]);
  });

  test.each([
    ["{type: local, entry: /}", "31:entry: unknown key (only for type sftp)"],
    [
      "{type: ftp}",
      "24:type: No match for discriminator 'type' and value 'ftp' (allowed values: 'local', 'sftp', 'dirac') (did you mean \"sftp\"?)",
    ],
    ["{type: sftp}", "5:ssh_config: required key is missing"],
    ["{type: sftp, ssh_config: null}", "42:ssh_config: expected a map, got nothing"],
    ["{type: sftp, entry: '', ssh_config: {hostname: h}}", "37:entry: expected text, got nothing"],
    ["{type: sftp, entry: jobs, ssh_config: {hostname: h}}", '37:entry: "jobs" should be an absolute path'],
    [
      "{type: sftp, ssh_config: {hostname: h, proxy_jump: 'u@gate:0'}}",
      '68:ssh_config.proxy_jump: expected a host such as user@gateway.example.org:22, got "u@gate:0"',
    ],
  ])("refuse filesystem %s", async (fileSystem, fault) => {
    const [, column, key, rest] = /^(\d+):([^\s:]+)(: .*)$/s.exec(fault) ?? [];
    await expectFaults(withDestination("{type: slurm}", fileSystem), [
      `config.yaml:6:${column}: destinations.x.filesystem.${key}${rest}`,
    ]);
  });

  test.each([
    "/VO/user/c/ciuser",
    "/VO/user/c/diuser/x",
    "/VO/user/c/c/x",
    "/VO/user/cc/ccuser/x",
    "VO/user/c/ciuser/x",
    "/V-O/user/c/ciuser/x",
    "/VO/group/c/ciuser/x",
    "/VO/user/1/1user/x",
    "/a/b/VO/user/c/ciuser/x",
  ])("refuse lfn_root %s", async (root) => {
    const fileSystem = `{type: dirac, storage_element: SE, lfn_root: ${root}}`;
    await expectFaults(withDestination("{type: dirac, storage_element: SE}", fileSystem), [
      `config.yaml:6:62: destinations.x.filesystem.lfn_root: "${root}" should match the format /<VO>/user/<initial>/<username>/<whatever>`,
    ]);
  });

  test.each([
    ["valid: 24", '"24" should match the format HH:MM'],
    ["valid: 24:60", '"24:60" should match the format HH:MM'],
    ["valid: 1d", '"1d" should match the format HH:MM'],
    ["cert: ''", "expected text, got nothing"],
    ["key: []", "expected text, got a list"],
    ["group: true", "expected text, got true (put it in quotes)"],
    ["min_life: -1", "expected a whole number greater than or equal to 0, got -1"],
    [
      "log_level: debug",
      'expected one of DEBUG, VERBOSE, INFO, WARN, NOTICE, ERROR, ALWAYS, FATAL, got "debug" (did you mean "DEBUG"?)',
    ],
  ])("refuse proxy {%s}", async (entry, fault) => {
    const lfn = "{type: dirac, storage_element: SE, lfn_root: /VO/user/c/ci/}";
    const key = entry.split(":", 1).join();
    await expectFaults(withDestination(`{type: dirac, storage_element: SE, proxy: {${entry}}}`, lfn), [
      `config.yaml:5:${61 + key.length}: destinations.x.scheduler.proxy.${key}: ${fault}`,
    ]);
  });

  test("refuse two different proxies in one file", async () => {
    const twoProxies = (scheduler: string, fileSystem: string): Promise<readonly string[]> =>
      faultsOf(
        withDestination(
          `{type: dirac, storage_element: SE, ${scheduler}}`,
          `{type: dirac, storage_element: SE, lfn_root: /VO/user/c/ci/, ${fileSystem}}`,
        ),
      );
    const fault =
      "destinations.x.filesystem.proxy: would be kept in the same file as the different destinations.x.scheduler.proxy; set `file` in one of them";
    const asFault = [expect.stringContaining(fault)];
    expect(await twoProxies("proxy: {group: a, file: /p}", "proxy: {group: b, file: /p}")).toEqual(asFault);
    expect(await twoProxies("proxy: {password: a}", "proxy: {password: b}")).toEqual(asFault);
    expect(await twoProxies("proxy: {group: a, file: ./p}", "proxy: {file: p}")).toEqual(asFault);
    expect(await twoProxies("proxy: {group: a, file: /p}", "proxy: {file: /p, group: a}")).toEqual([]);
    expect(await twoProxies("proxy: {group: a}", "proxy: {group: b}")).toEqual([]);
    expect(await twoProxies("proxy: {group: a, file: /p}", "proxy: {group: b, file: /q}")).toEqual([]);
    // The same path on another machine is another file.
    const remote = "ssh_config: {hostname: h}, proxy: {group: b, file: /p}";
    expect(await twoProxies("proxy: {group: a, file: /p}", remote)).toEqual([]);
  });

  test("refuse paths of proxies that only another machine could resolve", async () => {
    const scheduler = "{type: dirac, storage_element: SE, ssh_config: {hostname: h}, proxy: {cert: ~/c, file: /p}}";
    expect(
      await faultsOf(withDestination(scheduler, "{type: dirac, storage_element: SE, lfn_root: /VO/user/c/ci/}")),
    ).toEqual([
      expect.stringContaining('destinations.x.scheduler.proxy.cert: expected an absolute path on h, got "~/c"'),
    ]);
  });

  test.each(["sites: [a b]", "tags: ['x,y']", "platform: '\"'", 'storage_element: "a;b"'])(
    "refuse what JDL cannot carry in {%s}",
    async (entry) => {
      const se = entry.startsWith("storage_element") ? entry : `storage_element: SE, ${entry}`;
      expect(
        await faultsOf(
          withDestination(`{type: dirac, ${se}}`, "{type: dirac, storage_element: SE, lfn_root: /VO/user/c/ci/}"),
        ),
      ).toEqual([expect.stringContaining("should have only letters, digits and _.:/+@-")]);
    },
  );

  test("never tell secrets", async () => {
    const faults = [
      ...(await faultsOf(withDestination("{type: arq, redis_dsn: 'http://u:geheim@h'}"))),
      ...(await faultsOf(withDestination("{type: arq, redis_dsn: 'redis://u:geheim@h:port'}"))),
      ...(await faultsOf(withDestination("{type: arq, redis_dsn: 'redis://u:geheim@h/geheim'}"))),
      ...(await faultsOf(withDestination("{type: arq, redis_dsn: 'u:geheim@h'}"))),
      ...(await faultsOf(
        withDestination("{type: slurm, ssh_config: {hostname: h, password: true, passphrase: false}}"),
      )),
    ];
    expect(faults).toEqual([
      "config.yaml:5:39: destinations.x.scheduler.redis_dsn: URL scheme not permitted: expected redis:// or rediss://, got http://",
      "config.yaml:5:39: destinations.x.scheduler.redis_dsn: expected an address such as redis://user:password@host:6379/0, got one with a bad host or port",
      "config.yaml:5:39: destinations.x.scheduler.redis_dsn: expected the number of a database after the host, e.g. redis://localhost:6379/0",
      "config.yaml:5:39: destinations.x.scheduler.redis_dsn: expected an address such as redis://localhost:6379",
      "config.yaml:5:66: destinations.x.scheduler.ssh_config.password: expected text, got something else (put it in quotes)",
      "config.yaml:5:84: destinations.x.scheduler.ssh_config.passphrase: expected text, got something else (put it in quotes)",
    ]);
  });

  const SFTP = "{type: sftp, ssh_config: {hostname: h}}";
  const DIRAC = "{type: dirac, storage_element: SE, lfn_root: /VO/user/c/ci/}";
  const GRID = "{type: dirac, storage_element: SE}";
  test.each([
    ["{type: memory}", SFTP],
    ["{type: memory}", DIRAC],
    ["{type: eager}", SFTP],
    ["{type: eager}", DIRAC],
    ["{type: slurm}", DIRAC],
    [GRID, "{type: local}"],
    [GRID, SFTP],
  ])("refuse the senseless pair %s and %s", async (scheduler, fileSystem) => {
    await expectFaults(withDestination(scheduler, fileSystem), [
      `config.yaml:6:24: destinations.x.filesystem.type: ${/type: (\w+)/.exec(scheduler)?.[1]} jobs cannot use a `,
    ]);
  });

  test.each([
    ["{type: memory}", "{type: local}"],
    ["{type: eager}", "{type: local}"],
    ["{type: slurm}", "{type: local}"],
    ["{type: slurm}", SFTP],
    ["{type: arq}", "{type: local}"],
    ["{type: arq}", SFTP],
    ["{type: arq}", DIRAC],
    ["{type: redis}", DIRAC],
    [GRID, DIRAC],
  ])("take the sensible pair %s and %s", async (scheduler, fileSystem) => {
    await expectFaults(withDestination(scheduler, fileSystem), []);
  });
});

describe("other settings", () => {
  test.each([
    ["limits: {max_entries: 0}", "23: limits.max_entries: expected a whole number greater than or equal to 1, got 0"],
    [
      "limits: {max_upload_bytes: 10 GB}",
      '28: limits.max_upload_bytes: expected a whole number greater than or equal to 1, got "10 GB"',
    ],
    ["limits: {max_expanded_bytes: 0}", "30: limits.max_expanded_bytes: expected a whole number"],
    ["limits: {max_ratio: 0.5}", "21: limits.max_ratio: expected a number greater than or equal to 1, got 0.5"],
    ["limits:", "1: limits: expected a value, got nothing"],
    ["tokens: {issuers: me}", '19: tokens.issuers: expected a list, got "me"'],
    ["tokens: {issuers: []}", "19: tokens.issuers: must contain at least one item"],
    ["tokens: {allow_query: 2}", "23: tokens.allow_query: expected true or false, got 2"],
    ["command_environment: PATH", '22: command_environment: expected a list, got "PATH"'],
    ["command_environment: [A-B]", '23: command_environment[0]: "A-B" should be the name of an environment variable'],
    ["job_root_dir: ''", "15: job_root_dir: expected text, got nothing"],
    ["job_root_dir: [a]", "15: job_root_dir: expected text, got a list"],
    ["destination_picker: {a: b}", "21: destination_picker: expected text, got a map"],
    ["destination_picker:", "1: destination_picker: expected a value, got nothing"],
  ])("%s", async (line, fault) => {
    await expectFaults(`${MINIMAL}${line}\n`, [`config.yaml:2:${fault}`]);
  });
});

test("faults inside of something repeated stand where it is written, once for each use", async () => {
  await expectFaults(
    `${MINIMAL}destinations:\n  x: &m\n    scheduler: {type: memory, slots: 0}\n    filesystem: {type: local}\n  y: *m\n`,
    [
      "config.yaml:4:38: destinations.x.scheduler.slots: expected",
      "config.yaml:4:38: destinations.y.scheduler.slots: expected",
    ],
  );
});

test("each fault is one line", async () => {
  using dir = tempDir();
  writeFileSync(
    join(dir.path, "config.yaml"),
    "applications: {a: {command_template: x, summary: [x], allowed_roles: 'a\n\n  b'}}",
  );
  for (const line of faultLines(await loadIn(dir.path, "accept"))) {
    expect(line).not.toContain("\n");
  }
});
