import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jobId } from "../../../src/core/ids.ts";
import { freshTag, jobIn, PATIENCE_MS, pidsIn, signal, untilEnded } from "../../conformance/scheduler_world.ts";
import { type DiracServer, sharedDiracServer } from "../../support/dirac_server.ts";
import { type SshServer, sshAccount, sshServer } from "../../support/ssh_server.ts";
import { diracFilesWorld } from "../file_system/dirac_world.ts";
import { makeUserDirectory, openDiracWorld } from "../scheduler/dirac/dirac_world.ts";

setDefaultTimeout(2 * PATIENCE_MS);

let server: DiracServer;
let host: SshServer;
const account = sshAccount();
const proxy = { file: join(account.home, "proxy.pem") };
const scratch = join(account.home, ".bartender", "dirac", "scratch");

beforeAll(async () => {
  server = await sharedDiracServer();
  await makeUserDirectory(server);
  const { HOME: _, X509_USER_PROXY: __, ...environment } = server.environment;
  const variables = Object.entries(environment).map(([name, value]) => `${name}="${value}"`);
  host = await sshServer({ account, settings: [`SetEnv ${variables.join(" ")}`] });
  copyFileSync(server.proxyFile, proxy.file);
  chownSync(proxy.file, account.uid, account.gid);
}, PATIENCE_MS);

afterAll(async () => {
  await server.repair();
  await host[Symbol.asyncDispose]();
  account[Symbol.dispose]();
}, PATIENCE_MS);

test("files go to the grid and back through another machine that has DIRAC's commands, and nothing is left there", async () => {
  await using world = await diracFilesWorld(server, { ssh: host.config, proxy });
  const local = join(world.jobRoot, "17");
  mkdirSync(local);
  writeFileSync(join(local, "large.bin"), new Uint8Array(3_000_000).fill(7));
  const remote = world.fileSystem.locate(jobId(17), local);
  await world.fileSystem.upload(local, remote, signal);
  await world.writeRemote(remote, "out/result.txt", "42\n");
  await world.fileSystem.download(remote, local, signal);
  expect(readFileSync(join(local, "out/result.txt"), "utf8")).toBe("42\n");
  await world.fileSystem.remove(remote, signal);
  expect(existsSync(join(server.storageDirectory, remote, "input.tar"))).toBe(false);
  expect(readdirSync(scratch)).toEqual([]);
  expect(existsSync(join(world.stateDir, "scratch"))).toBe(false);
});

test("jobs are submitted, followed and cancelled through another machine that has DIRAC's commands", async () => {
  await using world = await openDiracWorld(server, { ssh: host.config, proxy });
  const { scheduler } = world;
  const [good, endless] = [await world.makeDirectory(), await world.makeDirectory()];
  const submit = (directory: string, command: string) =>
    scheduler.submit(jobIn(directory, command), freshTag(), signal);
  const goodId = await submit(good, `echo "it's" \\$HOME >said; exit 3`);
  const endlessId = await submit(endless, "echo begun; echo $$ >>pids; exec sleep 1000");
  expect(await untilEnded(scheduler, goodId)).toMatchObject({ isOk: false, returnCode: 3 });
  expect(await world.read(good, "said")).toBe("it's $HOME\n");
  const [pid = 0] = await pidsIn(world, endless, "pids");
  await scheduler.cancel(endlessId, signal);
  expect(await world.isAlive(pid)).toBe(false);
  expect(await untilEnded(scheduler, endlessId)).toMatchObject({ isOk: false, returnCode: null });
  // Rescued from the sandbox there to this machine.
  await world.fileSystem.download(endless, world.localOf(endless), signal);
  expect(readFileSync(join(world.localOf(endless), "stdout.txt"), "utf8")).toBe("begun\n");
  const findings = (await scheduler.probe?.(signal)) ?? [];
  expect(findings.map(({ isOk }) => isOk)).toEqual([true, true, true]);
  expect(readdirSync(scratch)).toEqual([]);
});
