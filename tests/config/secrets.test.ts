import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { type LoadOptions, type LoadResult, loadConfig } from "../../src/config/load.ts";
import type { NeedsSecrets } from "../../src/config/secrets.ts";
import { tempDir } from "../support/temp_dir.ts";
import { faultLines, withDestination } from "./support/load_text.ts";

/** A directory with files, one of them config.yaml. */
function setup(text: string, files: Readonly<Record<string, string>> = {}) {
  const dir = tempDir();
  for (const [name, content] of Object.entries({ "config.yaml": text, ...files })) {
    writeFileSync(join(dir.path, name), content);
  }
  const load = (more: Partial<LoadOptions> = {}): Promise<LoadResult> =>
    loadConfig({ file: "config.yaml", workingDirectory: dir.path, missingJobRoot: "accept", ...more });
  return {
    ...{ directory: dir.path, load, [Symbol.dispose]: () => dir[Symbol.dispose]() },
    async config(): Promise<Config> {
      const result = await load();
      if (!result.isValid) throw new Error(faultLines(result).join("\n"));
      return result.config;
    },
  };
}

describe("secrets of the configuration", () => {
  test("are read from files of one line", async () => {
    const ssh = "{hostname: h, password_file: login, private_key: key, passphrase_file: phrase}";
    using place = setup(withDestination(`{type: slurm, ssh_config: ${ssh}}`, `{type: sftp, ssh_config: ${ssh}}`), {
      login: "  sesame: 'open' \n",
      phrase: "no newline",
    });
    const secrets = { password: "  sesame: 'open' ", passphrase: "no newline" };
    expect((await place.config()).destinations.get("x")).toMatchObject({
      scheduler: { ssh: secrets },
      fileSystem: { ssh: secrets },
    });
  });

  test("are the password of Redis and of a proxy, too", async () => {
    using place = setup(
      [
        withDestination('{type: arq, redis_dsn: "rediss://bartender@h:6380/2", password_file: queue}'),
        "  grid:",
        "    scheduler: {type: dirac, storage_element: SE, proxy: {password_file: grid}}",
        "    filesystem: {type: dirac, storage_element: SE, lfn_root: /vo/user/c/ciuser/x, proxy: {password: p@ss/50%}}",
        "",
      ].join("\n"),
      { queue: "p@ss/50%\n", grid: "p@ss/50%\r\n" },
    );
    const { destinations } = await place.config();
    const { scheduler } = destinations.get("x") ?? {};
    const url = new URL(scheduler?.type === "arq" ? scheduler.redisDsn : "");
    expect([url.username, decodeURIComponent(url.password), url.host, url.pathname]).toEqual([
      ...["bartender", "p@ss/50%", "h:6380", "/2"],
    ]);
    expect(destinations.get("grid")?.scheduler).toMatchObject({ proxy: { password: "p@ss/50%" } });
  });

  test("may be where the service manager puts credentials, as other files may be", async () => {
    const ssh =
      "{hostname: h, private_key: $CREDENTIALS_DIRECTORY/key, passphrase_file: $CREDENTIALS_DIRECTORY/phrase}";
    using place = setup(withDestination(`{type: slurm, ssh_config: ${ssh}}`), { phrase: "sesame\n" });
    expect(faultLines(await place.load()).join()).toMatch(
      /passphrase_file: cannot be read: there is no \$CREDENTIALS_DIRECTORY; LoadCredential=/,
    );
    const checked = await place.load({ deniedSecrets: "warn" });
    expect([checked.isValid, checked.warnings.length]).toEqual([true, 1]);
    const result = await place.load({ credentialsDirectory: place.directory });
    expect(result.isValid && result.config.destinations.get("x")?.scheduler).toMatchObject({
      ssh: { privateKeyFile: join(place.directory, "key"), passphrase: "sesame" },
    });
  });

  test("that are given twice, are no single line, or cannot be read are refused, and not shown", async () => {
    const lines = (name: string, settings: string) =>
      `    ${name}: {type: ${name === "filesystem" ? "sftp" : "slurm"}, ssh_config: {hostname: h, ${settings}}}`;
    using place = setup(
      [
        "applications: {wc: {command_template: wc}}",
        "destinations:",
        "  x:",
        lines("scheduler", "password: sesame, password_file: good"),
        lines("filesystem", "password_file: lines, passphrase_file: absent"),
        "  y:",
        '    scheduler: {type: arq, redis_dsn: "redis://:sesame@h", password_file: good}',
        "    filesystem: {type: sftp, ssh_config: {hostname: h, password_file: empty, passphrase_file: .}}",
        "",
      ].join("\n"),
      { good: "sesame\n", lines: "sesame\nsesame\n", empty: "\n" },
    );
    const faults = faultLines(await place.load());
    expect(faults.map((fault) => fault.replace(/^config\.yaml:\d+:\d+: destinations\./, ""))).toEqual([
      "x.scheduler.ssh_config.password_file: expected either password or password_file",
      expect.stringMatching(/^x\.filesystem\.ssh_config\.password_file: expected one line of text in ".*\/lines"$/),
      expect.stringMatching(/^x\.filesystem\.ssh_config\.passphrase_file: cannot be read: .*absent/),
      "y.scheduler.password_file: redis_dsn has a password already",
      expect.stringMatching(/^y\.filesystem\.ssh_config\.password_file: expected one line of text/),
      expect.stringMatching(/^y\.filesystem\.ssh_config\.passphrase_file: cannot be read/),
    ]);
    expect(faults.join()).not.toContain("sesame");
  });

  test("of destinations that are somebody else's need not be there", async () => {
    using place = setup(withDestination("{type: slurm, ssh_config: {hostname: h, password_file: absent}}"));
    expect((await place.load()).isValid).toBe(false);
    const needsSecrets: NeedsSecrets = (name, type) => name !== "x" || type !== "slurm";
    expect((await place.load({ needsSecrets })).isValid).toBe(true);
  });
});

describe("BARTENDER_DB_PASS_FILE", () => {
  const read = (directory: string, variables: Readonly<Record<string, string>>) => {
    const result = readEnvironment({ BARTENDER_DB_PASS_FILE: "password", ...variables }, directory);
    const database = result.isValid ? result.environment.database : undefined;
    return {
      url: database?.kind === "postgres" ? database.url : undefined,
      faults: result.isValid ? [] : result.faults,
      warnings: result.warnings,
    };
  };

  test("holds the password of PostgreSQL, also for an address without one", () => {
    using place = setup("", { password: "p@ss\n" });
    const ask = (variables: Readonly<Record<string, string>>) => read(place.directory, variables);
    expect(ask({})).toMatchObject({ url: "postgres://bartender:p%40ss@localhost:5432/bartender", warnings: [] });
    expect(ask({ BARTENDER_DB_URL: "postgres://u@h/b?sslmode=require" })).toMatchObject({
      url: "postgres://u:p%40ss@h/b?sslmode=require",
      warnings: [],
    });
    expect(ask({ BARTENDER_DB_URL: "postgres://u:other@h/b" })).toMatchObject({
      url: "postgres://u:other@h/b",
      warnings: ["BARTENDER_DB_URL: takes the place of BARTENDER_DB_PASS_FILE"],
    });
    const credential = {
      BARTENDER_DB_PASS_FILE: "$CREDENTIALS_DIRECTORY/password",
      CREDENTIALS_DIRECTORY: place.directory,
    };
    expect(read("/", credential).url).toBe("postgres://bartender:p%40ss@localhost:5432/bartender");
    expect(ask({ BARTENDER_DB_PASS: "sesame" }).faults).toEqual([
      "BARTENDER_DB_PASS_FILE: expected either this or BARTENDER_DB_PASS",
    ]);
  });

  test("is named when it cannot be read", () => {
    using place = setup("");
    expect(read(place.directory, {}).faults).toEqual([
      expect.stringMatching(/^BARTENDER_DB_PASS_FILE: cannot be read: .*password/),
    ]);
  });
});
