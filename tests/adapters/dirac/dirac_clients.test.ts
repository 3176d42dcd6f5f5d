import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { DiracClient } from "../../../adapters/dirac/dirac_clients.ts";
import { diracEnvironment } from "../../../adapters/dirac/dirac_environment.ts";
import { DiracProxyError, DiracUnavailableError } from "../../../adapters/dirac/dirac_errors.ts";
import type { ProxyConfig, SshConfig } from "../../../src/config/config.ts";
import { ownDiracClients } from "../../support/own_dirac_clients.ts";
import { sshAccount, sshServer } from "../../support/ssh_server.ts";
import { tempDir } from "../../support/temp_dir.ts";

const signal = new AbortController().signal;
const account = sshAccount();
afterAll(() => account[Symbol.dispose]());

const PROXY: ProxyConfig = {
  ...{ valid: undefined, certFile: undefined, keyFile: undefined, group: "g", password: "geheim" },
  ...{ minLifeS: 1_800, logLevel: "INFO", file: undefined },
};

/** Stand for DIRAC's commands, whose real ones answer what the host and not the test decides. */
const COMMANDS: Readonly<Record<string, string>> = {
  "dirac-show": 'printf "%s|" "$@"; echo "$X509_USER_PROXY"; echo "$BARTENDER_SECRET$DIRAC_ROOT_PATH"; cat; pwd',
  "dirac-away": `echo "ERROR: Can't connect to dips://nowhere: Connection refused"; exit 2`,
  "dirac-refuse": "echo 'ERROR x: Invalid job description ( 1501 : x)'; exit 2",
  "dirac-hang": "sleep 300",
  "dirac-proxy-info": '[ -f "$X509_USER_PROXY" ] || exit 1; cat "$X509_USER_PROXY"',
};

interface Place extends AsyncDisposable {
  readonly client: DiracClient;
  /** For files of the test, on this machine. */
  readonly own: string;
  /** Where Bartender keeps its files at that place. */
  readonly home: string;
}

async function openPlace(kind: "local" | "ssh"): Promise<Place> {
  const dir = tempDir();
  const server =
    kind === "ssh"
      ? await sshServer({ account, settings: [`SetEnv PATH=${account.home}/bin:/usr/bin:/bin`] })
      : undefined;
  const bin = server === undefined ? join(dir.path, "bin") : join(account.home, "bin");
  mkdirSync(bin, { recursive: true });
  for (const [name, text] of Object.entries(COMMANDS)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  if (server !== undefined) chownSync(bin, account.uid, account.gid);
  const stateDir = join(dir.path, "state");
  const clients = ownDiracClients({
    environment: diracEnvironment({
      PATH: `${bin}:/usr/bin:/bin`,
      BARTENDER_SECRET: "geheim",
      X509_USER_PROXY: "/tmp/somebody's",
      ...(kind === "local" ? { DIRAC_ROOT_PATH: "/opt/dirac" } : {}),
    }),
    stateDir,
  });
  const ssh: SshConfig | undefined = server?.config;
  const lease = clients.lease({ ssh, proxy: PROXY });
  return {
    client: lease.client,
    own: dir.path,
    home: kind === "local" ? stateDir : join(account.home, ".bartender/dirac"),
    async [Symbol.asyncDispose]() {
      lease.close();
      await server?.[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

describe.each(["local", "ssh"] as const)("DIRAC's commands, %s", (kind) => {
  test("get their arguments, their proxy and nothing of the daemon's secrets", async () => {
    await using place = await openPlace(kind);
    const { tools, proxyFile } = place.client;
    const file = await proxyFile(signal);
    expect(file).toMatch(new RegExp(`^${place.home}/proxy-[0-9a-f]{16}\\.pem$`));
    const call = { program: "dirac-show", args: ["it's", "a b"], stdin: "read\n", cwd: "/tmp", isQuiet: true };
    const { returnCode, stdout } = await tools.run(call, signal);
    expect({ returnCode, stdout }).toEqual({
      returnCode: 0,
      stdout: `-o|LogLevel=FATAL|it's|a b|${file}\n${kind === "local" ? "/opt/dirac" : ""}\nread\n/tmp\n`,
    });
  });

  test("that are not there make no statement, and the message says what to do", async () => {
    await using place = await openPlace(kind);
    const missing = place.client.tools.run({ program: "dirac-nowhere", args: [], isQuiet: true }, signal);
    await expect(missing).rejects.toBeInstanceOf(DiracUnavailableError);
    await expect(missing).rejects.toThrow(`is DIRAC installed there, and in the PATH?`);
  });

  test("that take too long make no statement", async () => {
    await using place = await openPlace(kind);
    const slow = place.client.tools.run({ program: "dirac-hang", args: [], isQuiet: true, timeoutMs: 300 }, signal);
    await expect(slow).rejects.toBeInstanceOf(DiracUnavailableError);
  });

  test("tell no proxy, no answer and a refusal from each other", async () => {
    await using place = await openPlace(kind);
    const { tools, proxyFile } = place.client;
    const ask = (program: string) => tools.ask({ program, args: [], isQuiet: true }, signal);
    await expect(ask("dirac-away")).rejects.toBeInstanceOf(DiracProxyError);
    await expect(ask("dirac-away")).rejects.toThrow("There is no DIRAC proxy in");
    const file = await proxyFile(signal);
    await tools.shell('echo "timeleft     : 00:00:00" >"$1"', [file], signal);
    await expect(ask("dirac-away")).rejects.toThrow(/^The DIRAC proxy in .* is over$/);
    await tools.shell('echo "timeleft     : 123:00:07" >"$1"', [file], signal);
    await expect(ask("dirac-away")).rejects.toBeInstanceOf(DiracUnavailableError);
    expect((await ask("dirac-refuse")).returnCode).toBe(2);
    await tools.shell('rm "$1"', [file], signal);
  });

  test("find files in a scratch directory and leave some there; it is private and goes away", async () => {
    await using place = await openPlace(kind);
    const { scratch, tools } = place.client;
    const big = join(place.own, "big");
    writeFileSync(big, Buffer.alloc(3_000_000, "\0\xffx\n"));
    const path = await scratch.within(signal, async (directory) => {
      const script = await directory.write("it's.sh", "echo 'ü'\n", signal);
      expect(await tools.shell('cat "$1"; ls -ld "$2" | cut -c1-10', [script, directory.path], signal)).toBe(
        "echo 'ü'\ndrwx------\n",
      );
      expect(await directory.read("it's.sh", signal)).toBe("echo 'ü'\n");
      expect(await directory.read("nothing", signal)).toBeUndefined();
      const sent = await directory.send(big, "big", signal);
      await tools.shell('cp "$1" "$2/back"', [sent, directory.path], signal);
      await directory.fetch("back", join(place.own, "back"), signal);
      return directory.path;
    });
    expect(readFileSync(join(place.own, "back")).equals(readFileSync(big))).toBe(true);
    expect(existsSync(path)).toBe(false);
    const failing = scratch.within(signal, async (directory) => {
      await directory.write("x", "x", signal);
      throw new Error("No space left on device");
    });
    await expect(failing).rejects.toBeInstanceOf(DiracUnavailableError);
    expect(readdirSync(join(place.home, "scratch"))).toEqual([]);
  });

  test("what a killed daemon left in scratch is removed when it is old", async () => {
    await using place = await openPlace(kind);
    const { scratch, tools } = place.client;
    await scratch.within(signal, async () => undefined);
    const left = (name: string) => join(place.home, "scratch", name);
    await tools.shell('mkdir "$1" "$2"', [left("old"), left("young")], signal);
    utimesSync(left("old"), 1, 1);
    await scratch.within(signal, async () => undefined);
    expect(readdirSync(join(place.home, "scratch"))).toEqual(["young"]);
    await tools.shell('rmdir "$1"', [left("young")], signal);
  });
});

test("parts with the same proxy share a client, others do not, and no name tells a password", async () => {
  using dir = tempDir();
  const clients = ownDiracClients({ environment: { PATH: "/usr/bin:/bin" }, stateDir: dir.path });
  const first = clients.lease({ ssh: undefined, proxy: PROXY });
  const second = clients.lease({ ssh: undefined, proxy: { ...PROXY } });
  const other = clients.lease({ ssh: undefined, proxy: { ...PROXY, group: "h" } });
  expect(second.client).toBe(first.client);
  expect(other.client).not.toBe(first.client);
  const renamed = clients.lease({ ssh: undefined, proxy: { ...PROXY, password: "other" } });
  expect(await renamed.client.proxyFile(signal)).toBe(await first.client.proxyFile(signal));
  expect(await other.client.proxyFile(signal)).not.toBe(await first.client.proxyFile(signal));
  for (const lease of [first, second, other, renamed]) lease.close();
});
