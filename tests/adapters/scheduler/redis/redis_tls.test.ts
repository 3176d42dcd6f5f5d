import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { makeCertificates } from "../../../support/certificates.ts";
import { eventually } from "../../../support/eventually.ts";
import { lastingPort } from "../../../support/lasting_port.ts";
import { startRedis } from "../../../support/redis_server.ts";
import { openRedisWorld } from "../../../support/redis_world.ts";
import { tempDir } from "../../../support/temp_dir.ts";

setDefaultTimeout(180_000);

/** The rules that the documentation gives to administrators. */
const RULES = readFileSync(resolve(import.meta.dir, "../../../../docs/performers.md"), "utf8").match(/^ {4}user .*$/gm);

/** Of this machine, but not the one that it talks to itself with. */
const ADDRESS = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

const tlsOptions = (port: number, { serverCert, serverKey, ca }: ReturnType<typeof makeCertificates>) => [
  ...["--tls-port", String(port), "--tls-cert-file", serverCert, "--tls-key-file", serverKey],
  ...["--tls-ca-cert-file", ca],
];

/** With TLS, and asking nobody for a certificate. */
async function openServer(...options: readonly string[]) {
  const dir = tempDir();
  const files = makeCertificates(dir.path);
  const tlsPort = await lastingPort();
  const redis = await startRedis({
    options: [...tlsOptions(tlsPort, files), "--tls-auth-clients", "no", ...options],
  });
  return {
    ...{ redis, tlsPort, ca: files.ca },
    async [Symbol.asyncDispose]() {
      await redis[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

test("with TLS, certificates and the access rule of the documentation, all goes as without", async () => {
  using dir = tempDir();
  const files = makeCertificates(dir.path);
  const aclFile = join(dir.path, "users.acl");
  const rules = (RULES ?? []).join("\n").replace("SECRET", "s3cret");
  writeFileSync(aclFile, `${rules}\nuser admin on >admin ~* &* +@all\n`);
  const tlsPort = await lastingPort();
  await using redis = await startRedis({
    options: [...tlsOptions(tlsPort, files), "--aclfile", aclFile],
    cliOptions: ["--user", "admin", "--pass", "admin", "--no-auth-warning"],
  });
  const dsn = `rediss://bartender:s3cret@localhost:${tlsPort}/0`;
  const tls = { caFile: files.ca, certFile: files.clientCert, keyFile: files.clientKey, serverName: undefined };
  await using world = openRedisWorld(redis, {
    dsn,
    more: `, tls: {ca: "${files.ca}", cert: "${files.clientCert}", key: "${files.clientKey}"}`,
    scheduler: { dsn, tls },
  });
  const performer = await world.startPerformer();
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, "echo $$ >>pids; sleep 300"), freshTag(), signal);
  await pidsIn(world, directory, "pids");
  await world.scheduler.cancel(id, signal);
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: -15 });
  await world.scheduler.forget?.(id);
  const waiting = await world.scheduler.submit(jobIn(directory, "true"), freshTag(), signal);
  expect(await untilEnded(world.scheduler, waiting)).toMatchObject({ isOk: true });
  const found = await world.scheduler.probe?.(signal);
  expect(found?.map(({ isOk }) => isOk)).toEqual([true, true]);
  expect(await world.scheduler.performers?.(signal)).toHaveLength(1);
  expect(await performer.stop()).toBe(0);
  // Nothing was asked for that the rule forbids.
  expect(redis.cli("acl", "log")).toBe("");
  expect(performer.log()).not.toContain("s3cret");
  expect(JSON.stringify(world.logger.lines)).not.toContain("s3cret");
});

test("a server that asks for a password where none is configured is told as such", async () => {
  await using redis = await startRedis({ options: ["--requirepass", "s3cret"], cliOptions: ["-a", "s3cret"] });
  await using world = openRedisWorld(redis);
  const { scheduler } = world;
  await eventually("the fault", () => scheduler.absence?.() !== undefined);
  expect(scheduler.absence?.()?.reason).toBe("Redis cannot be reached: it asks for a password, and redis_dsn has none");
  let returns = 0;
  scheduler.onReturn?.(() => {
    expect(scheduler.absence?.()).toBeUndefined();
    returns += 1;
  });
  redis.cli("config", "set", "requirepass", "");
  await eventually("the connection", () => returns === 1);
});

test.skipIf(ADDRESS === undefined)("a server in protected mode is told as such", async () => {
  await using server = await openServer("--bind", "127.0.0.1", ADDRESS ?? "");
  const tls = { caFile: server.ca, certFile: undefined, keyFile: undefined, serverName: "localhost" };
  const dsn = `rediss://${ADDRESS}:${server.tlsPort}`;
  await using world = openRedisWorld(server.redis, { scheduler: { dsn, tls } });
  // When the server is quick to hang up, its words are lost, and the next try has to tell them.
  await eventually("the reason", () =>
    world.scheduler.absence?.()?.reason.includes("protected mode), as its user `default` needs no password"),
  );
});

test("a server whose certificate nobody vouches for is not talked to, and the reason is told", async () => {
  await using server = await openServer();
  await using world = openRedisWorld(server.redis, { scheduler: { dsn: `rediss://localhost:${server.tlsPort}` } });
  await eventually("the fault", () => world.logger.lines.some(({ message }) => message.includes("cannot be reached")));
  const submitted = world.scheduler.submit(jobIn(await world.makeDirectory(), "true"), freshTag(), signal);
  await expect(submitted).rejects.toBeInstanceOf(SchedulerUnavailableError);
});

test("each reason for which a server cannot be reached is logged once: that of the lost link tells nothing", async () => {
  await using server = await startRedis();
  const user = ["acl", "setuser", "someone", "on", "~*", "&*", "+@all"];
  server.cli(...user, ">old");
  const dsn = `redis://someone:old@127.0.0.1:${server.port}`;
  await using world = openRedisWorld(server, { scheduler: { dsn } });
  await eventually("an answer", () => world.scheduler.performers?.(signal).catch(() => undefined));
  server.cli(...user, "resetpass", ">new");
  server.cli("client", "kill", "user", "someone");
  const told = () =>
    world.logger.lines.filter(({ level }) => level === "warn").map(({ fields }) => String(fields.reason));
  const refusals = () => Number(/^count\n(\d+)/m.exec(server.cli("acl", "log"))?.[1]);
  await eventually("some refusals", () => refusals() > 4);
  expect(told()).toEqual([expect.stringContaining("Socket closed"), expect.stringContaining("WRONGPASS")]);
});

test("who asks before the first try has failed is told why it did, too", async () => {
  await using server = await openServer();
  await using world = openRedisWorld(server.redis, { scheduler: { dsn: `rediss://localhost:${server.tlsPort}` } });
  const found = await world.scheduler.probe?.(signal);
  expect(found).toEqual([{ isOk: false, text: expect.stringContaining("Redis cannot be reached: ") }]);
});
