import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeDatabase } from "../../src/config/database_url.ts";
import { type Environment, readEnvironment, resolveConfigFile } from "../../src/config/environment.ts";
import { tempDir } from "../support/temp_dir.ts";

/** A directory without `.env`. */
const NOWHERE = "/nowhere";

function environmentOf(variables: Record<string, string>, workingDirectory = NOWHERE): Environment {
  const result = readEnvironment(variables, workingDirectory);
  if (!result.isValid) throw new Error(result.faults.join("\n"));
  return result.environment;
}

function faultsOf(variables: Record<string, string>): readonly string[] {
  const result = readEnvironment(variables, NOWHERE);
  return result.isValid ? [] : result.faults;
}

describe("readEnvironment()", () => {
  test("has a default for everything", () => {
    const { trustsForwardedFrom, ...rest } = environmentOf({});
    expect(rest).toEqual({
      host: "127.0.0.1",
      port: 8000,
      workersCount: 1,
      isReload: false,
      name: "dev",
      logLevel: "info",
      database: { kind: "sqlite", path: "/nowhere/bartender.db" },
      isDatabaseEcho: false,
      publicKeyFile: "/nowhere/public_key.pem",
      configFile: undefined,
      metrics: undefined,
      consoleSocket: undefined,
    });
    expect(trustsForwardedFrom("127.0.0.1")).toBe(true);
    expect(trustsForwardedFrom("192.0.2.1")).toBe(false);
  });

  test("serves measures only when a port is given, and then to this machine unless a host is given", () => {
    expect(environmentOf({ BARTENDER_METRICS_HOST: "0.0.0.0" }).metrics).toBeUndefined();
    expect(environmentOf({ BARTENDER_METRICS_PORT: "9469" }).metrics).toEqual({ host: "127.0.0.1", port: 9469 });
    expect(environmentOf({ BARTENDER_METRICS_PORT: "0", BARTENDER_METRICS_HOST: "::" }).metrics).toEqual({
      host: "::",
      port: 0,
    });
    expect(faultsOf({ BARTENDER_METRICS_PORT: "http" })).toEqual([
      'BARTENDER_METRICS_PORT: expected a whole number from 0 to 65535, got "http"',
    ]);
  });

  test("takes every variable", () => {
    const environment = environmentOf({
      BARTENDER_HOST: "0.0.0.0",
      BARTENDER_PORT: "0",
      BARTENDER_WORKERS_COUNT: "4",
      BARTENDER_RELOAD: "yes",
      BARTENDER_ENVIRONMENT: "production",
      BARTENDER_LOG_LEVEL: "trace",
      BARTENDER_DB_URL: "sqlite:data/jobs.db",
      BARTENDER_DB_ECHO: "1",
      BARTENDER_PUBLIC_KEY: "/etc/bartender/key.pem",
      BARTENDER_CONFIG_FILENAME: "my.yaml",
    });
    expect(environment).toMatchObject({
      host: "0.0.0.0",
      port: 0,
      workersCount: 4,
      isReload: true,
      name: "production",
      logLevel: "trace",
      database: { kind: "sqlite", path: "/nowhere/data/jobs.db" },
      isDatabaseEcho: true,
      publicKeyFile: "/etc/bartender/key.pem",
      configFile: "my.yaml",
    });
  });

  test("names are compared without regard to case, upper case counting most", () => {
    expect(environmentOf({ bartender_port: "81" }).port).toBe(81);
    expect(environmentOf({ Bartender_Port: "81", BARTENDER_PORT: "82" }).port).toBe(82);
    expect(environmentOf({ BARTENDER_PORT: "82", Bartender_Port: "81" }).port).toBe(82);
  });

  test("`.env` in the working directory fills in what the environment lacks", () => {
    using dir = tempDir();
    writeFileSync(
      join(dir.path, ".env"),
      "# comment\nexport BARTENDER_PORT=81\nbartender_host='::1'\nBARTENDER_ENVIRONMENT=\"größer # 1\"\nOTHER=x\n",
    );
    expect(environmentOf({ bartender_port: "82" }, dir.path)).toMatchObject({
      host: "::1",
      port: 82,
      name: "größer # 1",
    });
  });

  test("a `.env` that is not UTF-8 or a directory is refused", () => {
    using dir = tempDir();
    writeFileSync(join(dir.path, ".env"), new Uint8Array([0x41, 0x3d, 0xff]));
    const result = readEnvironment({}, dir.path);
    expect(result.isValid ? [] : result.faults).toEqual([`${dir.path}/.env: not valid UTF-8`]);
    using other = tempDir();
    mkdirSync(join(other.path, ".env"));
    expect(readEnvironment({}, other.path).isValid).toBe(false);
  });

  test("all bad values are reported at once, each naming its variable", () => {
    const faults = faultsOf({
      BARTENDER_HOST: "",
      BARTENDER_PORT: "http",
      BARTENDER_WORKERS_COUNT: "0",
      BARTENDER_RELOAD: "maybe",
      BARTENDER_LOG_LEVEL: "INFO",
      BARTENDER_DB_PORT: "70000",
      BARTENDER_DB_ECHO: "",
      BARTENDER_PUBLIC_KEY: " ",
      BARTENDER_CONFIG_FILENAME: "",
      FORWARDED_ALLOW_IPS: "proxy.example.org",
    });
    expect(faults.toSorted()).toEqual([
      'BARTENDER_CONFIG_FILENAME: expected text, got ""',
      'BARTENDER_DB_ECHO: expected true or false, got ""',
      'BARTENDER_DB_PORT: expected a whole number from 1 to 65535, got "70000"',
      'BARTENDER_HOST: expected text, got ""',
      'BARTENDER_LOG_LEVEL: expected one of critical, error, warning, info, debug, trace, got "INFO"',
      'BARTENDER_PORT: expected a whole number from 0 to 65535, got "http"',
      'BARTENDER_PUBLIC_KEY: expected text, got " "',
      'BARTENDER_RELOAD: expected true or false, got "maybe"',
      'BARTENDER_WORKERS_COUNT: expected a whole number from 1 to 1000000, got "0"',
      'FORWARDED_ALLOW_IPS: expected IP addresses, networks or *, got "proxy.example.org"',
    ]);
  });

  test.each(["8e3", "80.5", "0x50", "-1", "65536", ""])("port %j is refused", (text) => {
    expect(faultsOf({ BARTENDER_PORT: text }).length).toBe(1);
  });

  test("an unknown variable of ours is a warning that names the nearest one", () => {
    const result = readEnvironment({ BARTENDER_PROT: "81", BARTENDER_ZZZZZZ: "1", OTHER_PORT: "1" }, NOWHERE);
    expect(result.isValid).toBe(true);
    expect(result.warnings).toEqual([
      'BARTENDER_PROT: unknown variable (did you mean "BARTENDER_PORT"?)',
      "BARTENDER_ZZZZZZ: unknown variable",
    ]);
  });
});

describe("the database", () => {
  test.each(["HOST", "PORT", "USER", "PASS", "BASE"])("is PostgreSQL as soon as BARTENDER_DB_%s is set", (part) => {
    const { database } = environmentOf({ [`BARTENDER_DB_${part}`]: "5433" });
    const values: Record<string, string> = {
      HOST: "localhost",
      PORT: "5432",
      USER: "bartender",
      PASS: "bartender",
      BASE: "bartender",
    };
    values[part] = "5433";
    expect(database).toEqual({
      kind: "postgres",
      url: `postgres://${values.USER}:${values.PASS}@${values.HOST}:${values.PORT}/${values.BASE}`,
    });
  });

  test("BARTENDER_DB_ECHO alone does not choose PostgreSQL", () => {
    expect(environmentOf({ BARTENDER_DB_ECHO: "true" }).database.kind).toBe("sqlite");
  });

  test("special characters of its parts are escaped", () => {
    const { database } = environmentOf({ BARTENDER_DB_PASS: "p@ss/w:rd", BARTENDER_DB_HOST: "::1" });
    expect(database).toEqual({ kind: "postgres", url: "postgres://bartender:p%40ss%2Fw%3Ard@[::1]:5432/bartender" });
    expect(new URL(database.kind === "postgres" ? database.url : "").hostname).toBe("[::1]");
  });

  test.each([
    ["sqlite:jobs.db", { kind: "sqlite", path: "/nowhere/jobs.db" }],
    ["sqlite:/srv/jobs.db", { kind: "sqlite", path: "/srv/jobs.db" }],
    ["sqlite:///srv/jobs.db", { kind: "sqlite", path: "/srv/jobs.db" }],
    ["sqlite::memory:", { kind: "sqlite", path: ":memory:" }],
    ["postgres://u:p@h/b", { kind: "postgres", url: "postgres://u:p@h/b" }],
    [
      "postgresql://u:p@h:5433/b?sslmode=require",
      { kind: "postgres", url: "postgresql://u:p@h:5433/b?sslmode=require" },
    ],
  ] as const)("BARTENDER_DB_URL takes %s", (url, database) => {
    expect(environmentOf({ BARTENDER_DB_URL: url }).database).toEqual(database);
  });

  test("BARTENDER_DB_URL takes the place of the parts, with a warning", () => {
    const result = readEnvironment({ BARTENDER_DB_URL: "sqlite:x.db", BARTENDER_DB_PASS: "geheim" }, NOWHERE);
    expect(result.isValid && result.environment.database.kind).toBe("sqlite");
    expect(result.warnings).toEqual(["BARTENDER_DB_URL: takes the place of BARTENDER_DB_PASS"]);
  });

  test.each([
    "",
    "sqlite:",
    "sqlite://jobs.db",
    "mysql://u:geheim@h/b",
    "postgres:geheim",
    "postgres://",
    "postgres://u:geheim@h:port/b",
    "u:geheim@h/b",
  ])("BARTENDER_DB_URL refuses %j without telling the password", (url) => {
    const faults = faultsOf({ BARTENDER_DB_URL: url });
    expect(faults.length).toBe(1);
    expect(faults[0]).toStartWith("BARTENDER_DB_URL: expected ");
    expect(faults[0]).not.toContain("geheim");
  });

  test("describeDatabase() tells neither login nor password", () => {
    const { database } = environmentOf({ BARTENDER_DB_URL: "postgres://admin:geheim@h:5433/b?password=geheim" });
    expect(describeDatabase(database)).toBe("postgres://h:5433/b");
    expect(describeDatabase({ kind: "sqlite", path: "/x.db" })).toBe("sqlite:/x.db");
  });
});

describe("FORWARDED_ALLOW_IPS", () => {
  const trusts = (list: string, address: string | undefined) =>
    environmentOf({ FORWARDED_ALLOW_IPS: list }).trustsForwardedFrom(address);

  test.each([
    ["127.0.0.1,::1", "::1", true],
    ["10.1.2.3", "10.1.2.3", true],
    ["10.1.2.3", "::ffff:10.1.2.3", true],
    ["10.1.2.3", "10.1.2.4", false],
    ["10.0.0.0/8, 192.0.2.1", "10.255.0.1", true],
    ["10.0.0.0/8, 192.0.2.1", "192.0.2.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["2001:db8::/32", "2001:db8::5", true],
    ["2001:DB8::5", "2001:db8:0::5", true],
    ["*", "203.0.113.9", true],
    ["127.0.0.1,*", "203.0.113.9", true],
    ["", "127.0.0.1", false],
    ["127.0.0.1", "not an address", false],
  ])("%j and peer %s: %p", (list, address, expected) => {
    expect(trusts(list, address)).toBe(expected);
  });

  test("a peer without an address is trusted only by *", () => {
    expect(trusts("127.0.0.1", undefined)).toBe(false);
    expect(trusts("*", undefined)).toBe(true);
  });

  test.each(["localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "10.0.0.0/8/8", "1.2.3.4.5"])(
    "%j is refused",
    (list) => {
      expect(faultsOf({ FORWARDED_ALLOW_IPS: list })).toEqual([
        `FORWARDED_ALLOW_IPS: expected IP addresses, networks or *, got "${list}"`,
      ]);
    },
  );
});

describe("resolveConfigFile()", () => {
  function choose(files: readonly string[], variables: Record<string, string> = {}) {
    using dir = tempDir();
    for (const file of files) writeFileSync(join(dir.path, file), "");
    return resolveConfigFile(environmentOf(variables, dir.path), dir.path);
  }

  test("prefers the file of the environment", () => {
    const files = ["config.yaml", "my.yaml"];
    expect(choose(files, { BARTENDER_CONFIG_FILENAME: "my.yaml" })).toMatchObject({
      file: "my.yaml",
      warning: undefined,
    });
    expect(choose(files)).toMatchObject({ file: "config.yaml", warning: undefined });
  });

  test("falls back to config-example.yaml with a warning", () => {
    const choice = choose(["config-example.yaml"]);
    expect(choice).toMatchObject({ isValid: true, file: "config-example.yaml" });
    expect(choice.isValid && choice.warning).toContain("config.yaml does not exist, using config-example.yaml");
  });

  test("does not fall back from a file that was asked for", () => {
    expect(choose(["config.yaml"], { BARTENDER_CONFIG_FILENAME: "my.yaml" })).toEqual({
      isValid: false,
      reason: 'BARTENDER_CONFIG_FILENAME: file or directory at path "my.yaml" does not exist',
    });
  });

  test("says what to do when there is none", () => {
    const choice = choose([]);
    expect(choice.isValid ? "" : choice.reason).toStartWith('file or directory at path "config.yaml" does not exist');
  });
});
