import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import type { ProxyConfig } from "../../../src/config/config.ts";
import { messageOf } from "../../../src/core/errors.ts";
import { DIRAC_NAMES, type DiracServer, sharedDiracServer } from "../../support/dirac_server.ts";
import { ownDiracClients } from "../../support/own_dirac_clients.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

// Each command of DIRAC takes seconds on a busy machine.
setDefaultTimeout(600_000);

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
});

afterAll(async () => {
  await server.repair();
});

const signal = new AbortController().signal;

/** A proxy that is not made yet, in a file of its own. */
function setup(changes: Partial<ProxyConfig> = {}) {
  const dir = tempDir();
  const file = join(dir.path, "proxy.pem");
  const { cert, key } = server.certificates.user;
  const clock = systemClock();
  const logger = recordingLogger();
  const stateDir = join(dir.path, "dirac");
  const clients = ownDiracClients({ environment: server.environment, stateDir, clock, logger });
  const proxy: ProxyConfig = {
    ...{ valid: undefined, certFile: cert, keyFile: key, group: DIRAC_NAMES.group, password: undefined },
    ...{ minLifeS: 1_800, logLevel: "INFO", file, ...changes },
  };
  const lease = clients.lease({ ssh: undefined, proxy });
  const { credential } = lease.client;
  return {
    ...{ credential, file, logger, directory: dir.path },
    /** Why it could not be made. */
    refusal: async (): Promise<string> => await credential.make(signal).then(() => "", messageOf),
    [Symbol.dispose]() {
      lease.close();
      dir[Symbol.dispose]();
    },
  };
}

describe("a proxy", () => {
  test("that is not there is made, private, for its group, and given to DIRAC for the jobs", async () => {
    using t = setup();
    expect(await t.credential.check(signal)).toEqual({
      leftS: 0,
      reason: `There is no proxy in ${t.file} on this machine`,
    });
    server.sql("DELETE FROM ProxyDB.ProxyDB_CleanProxies");
    await t.credential.make(signal);
    const { leftS } = await t.credential.check(signal);
    expect(leftS).toBeGreaterThan(23 * 3600);
    expect(leftS).toBeLessThanOrEqual(24 * 3600);
    expect(execFileSync("stat", ["-c", "%a", t.file], { encoding: "utf8" }).trim()).toBe("600");
    expect(server.sql("SELECT COUNT(*) FROM ProxyDB.ProxyDB_CleanProxies").trim()).toBe("1");
    expect(readdirSync(t.directory).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  test("lasts as long as is asked for", async () => {
    using t = setup({ valid: "02:30" });
    await t.credential.make(signal);
    const { leftS } = await t.credential.check(signal);
    expect(leftS).toBeGreaterThan(2.4 * 3600);
    expect(leftS).toBeLessThanOrEqual(2.5 * 3600);
  });

  test("is made with an encrypted key and its password, which no argument and no log shows", async () => {
    const { key, password } = server.certificates.lockedUser;
    using t = setup({ keyFile: key, password, logLevel: "DEBUG" });
    await t.credential.make(signal);
    expect((await t.credential.check(signal)).leftS).toBeGreaterThan(0);
    expect(JSON.stringify(t.logger.lines)).not.toContain(password);
  });

  test("that an administrator made by hand is used, also where none could be made", async () => {
    using t = setup({ certFile: "/nonexistent/cert.pem", keyFile: "/nonexistent/key.pem" });
    await server.makeProxy(t.file, "10:00");
    expect((await t.credential.check(signal)).leftS).toBeGreaterThan(9 * 3600);
    expect(await t.refusal()).toEndWith(`Correct proxy.cert and proxy.key, or make a proxy by hand in ${t.file}`);
    expect((await t.credential.check(signal)).leftS).toBeGreaterThan(9 * 3600);
  });

  test("that has ended is told from one that is not there, and renewed", async () => {
    using t = setup();
    const { cert, key } = server.certificates.user;
    const args = ["-x", "-N", "-g", DIRAC_NAMES.group, "-C", cert, "-K", key, "-v", "00:00", "-u", t.file];
    await server.command("dirac-proxy-init", ...args);
    expect(await t.credential.check(signal)).toMatchObject({
      leftS: 0,
      reason: `The proxy in ${t.file} on this machine has ended`,
    });
    await t.credential.make(signal);
    expect((await t.credential.check(signal)).leftS).toBeGreaterThan(0);
  });

  test("of another group, and what is no proxy, cannot be used", async () => {
    using t = setup({ group: "dirac_other" });
    await server.makeProxy(t.file);
    expect((await t.credential.check(signal)).reason).toContain(
      `for group ${DIRAC_NAMES.group} and not for dirac_other`,
    );
    using plain = setup();
    copyFileSync(server.certificates.user.cert, plain.file);
    expect((await plain.credential.check(signal)).leftS).toBe(0);
    writeFileSync(plain.file, "garbage");
    expect((await plain.credential.check(signal)).reason).toContain("cannot be read");
  });
});

describe("a proxy that cannot be made", () => {
  test("for a wrong password, or none for an encrypted key, says so and leaves nothing", async () => {
    const { key: keyFile } = server.certificates.lockedUser;
    using wrong = setup({ keyFile, password: "wrong" });
    expect(await wrong.refusal()).toContain("correct proxy.password");
    using none = setup({ keyFile });
    expect(await none.refusal()).toContain("is encrypted: set proxy.password");
    for (const { directory } of [wrong, none]) {
      expect(readdirSync(directory).filter((name) => name.startsWith("proxy"))).toEqual([]);
    }
  });

  test("for a group that is not the user's says so, and keeps the one that is there", async () => {
    using t = setup({ group: "dirac_nobody" });
    await server.makeProxy(t.file);
    const before = readFileSync(t.file, "utf8");
    expect(await t.refusal()).toContain("Requested group dirac_nobody is not valid for DN");
    expect(readFileSync(t.file, "utf8")).toBe(before);
    expect(existsSync(`${t.file}.new`)).toBe(false);
  });

  test("as DIRAC does not answer, or does not take it for the jobs, keeps the one that is there", async () => {
    using t = setup();
    await server.makeProxy(t.file);
    const before = readFileSync(t.file, "utf8");
    await server.services.configuration.stop();
    expect(await t.refusal()).toContain("Can't contact DIRAC CS");
    // A look needs no service.
    expect(await t.credential.check(signal)).toMatchObject({ leftS: expect.any(Number), reason: "" });
    await server.services.configuration.start();
    await server.services.proxies.stop();
    expect(await t.refusal()).not.toBe("");
    expect(readFileSync(t.file, "utf8")).toBe(before);
    await server.services.proxies.start();
    expect(await t.refusal()).toBe("");
  });

  test("as its directory cannot be written says so", async () => {
    using t = setup({ file: "/proc/proxy.pem" });
    expect(await t.refusal()).not.toBe("");
    chmodSync(t.directory, 0o700);
  });
});
