import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import { PostgresConnection } from "../../../adapters/postgres/connection.ts";
import { readPostgresUrl } from "../../../adapters/postgres/settings.ts";
import { StaleVersionError, StoreUnavailableError } from "../../../src/core/errors.ts";
import type { Job } from "../../../src/core/job.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { eventually } from "../../support/eventually.ts";
import { T0 } from "../../support/job_builder.ts";
import { lossyProxy } from "../../support/lossy_proxy.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { startLoad } from "../../support/store_load.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(["max_connections=25"]);
});
afterAll(() => server[Symbol.asyncDispose]());

const ALL = { submitter: "someone", limit: 1000, offset: 0 };

async function open(url: string) {
  const store = await openJobStore({ kind: "postgres", url }, { logger: recordingLogger() });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** A store behind a proxy, on one connection that has run each kind of statement before. */
async function behindProxy() {
  const proxy = await lossyProxy(server.port);
  const url = await server.createDatabase();
  const at = new URL(`${url}?pool_size=1`);
  at.port = String(proxy.port);
  const store = await open(at.href);
  const warm = await store.insert(newJob(), T0);
  await store.save(warm, T0);
  await store.rename(warm.id, "warm");
  await store.remove(warm.id);
  return {
    ...{ proxy, store, url },
    async [Symbol.asyncDispose]() {
      await store.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describe("an answer that is lost on the way", () => {
  test("does not double a job that was added", async () => {
    await using world = await behindProxy();
    world.proxy.loseNextAnswer();
    const job = await world.store.insert(newJob(), T0);
    expect(await world.store.list(ALL)).toEqual([job]);
    expect(await world.store.history(job.id)).toHaveLength(1);
  });

  test("does not double a job that was added with a key, nor make it look like somebody else's", async () => {
    await using world = await behindProxy();
    world.proxy.loseNextAnswer();
    const job = await world.store.insertOnce(newJob(), { key: "k", digest: "d" }, T0);
    expect(await world.store.list(ALL)).toEqual([job as Job]);
    expect(await world.store.insertOnce(newJob(), { key: "k", digest: "d" }, T0)).toBeUndefined();
  });

  test("does not make a save stale that was made", async () => {
    await using world = await behindProxy();
    const job = await world.store.insert(newJob(), T0);
    world.proxy.loseNextAnswer();
    const saved = await world.store.save({ ...job, attempt: 7 }, T0);
    expect(saved).toMatchObject({ attempt: 7, version: 2 });
    expect(await world.store.get(job.id)).toEqual(saved);
    expect(await world.store.history(job.id)).toHaveLength(2);
  });

  test("does not let a second writer of the same version believe that it has won", async () => {
    await using world = await behindProxy();
    const job = await world.store.insert(newJob(), T0);
    await world.store.save({ ...job, attempt: 7 }, T0);
    world.proxy.loseNextAnswer();
    await expect(world.store.save({ ...job, attempt: 7 }, T0)).rejects.toBeInstanceOf(StaleVersionError);
  });

  test("does not matter to a change of name, a removal and a look", async () => {
    await using world = await behindProxy();
    const { store, proxy } = world;
    const job = await store.insert(newJob(), T0);
    proxy.loseNextAnswer();
    expect(await store.rename(job.id, "other")).toBe(true);
    proxy.loseNextAnswer();
    expect((await store.get(job.id))?.name).toBe("other");
    proxy.loseNextAnswer();
    await store.remove(job.id);
    expect(await store.list(ALL)).toEqual([]);
  });
});

describe("an answer that is lost for good, because the server cannot be reached any more", () => {
  test("leaves no job behind whose submitter was refused, once the server is back", async () => {
    await using world = await behindProxy();
    const { store, proxy } = world;
    proxy.loseNextAnswerAndLink();
    const refused = store.insertOnce(newJob(), { key: "k", digest: "d" }, T0);
    await expect(refused).rejects.toMatchObject({ code: "store_unavailable", isOutcomeUnknown: true });
    expect(await server.sql(world.url, "select id from job")).toHaveLength(1);
    await expect(store.keyed("someone", "k")).rejects.toBeInstanceOf(StoreUnavailableError);
    proxy.setReachable(true);
    expect(await store.keyed("someone", "k")).toBeUndefined();
    expect(await server.sql(world.url, "select id from job")).toEqual([]);
    expect((await store.insertOnce(newJob(), { key: "k", digest: "d" }, T0))?.version).toBe(1);
  });

  test("is cleared up without anybody asking", async () => {
    await using world = await behindProxy();
    world.proxy.loseNextAnswerAndLink();
    const refused = world.store.insert(newJob(), T0);
    await expect(refused).rejects.toBeInstanceOf(StoreUnavailableError);
    world.proxy.setReachable(true);
    await eventually("the clean-up", async () => (await server.sql(world.url, "select id from job")).length === 0);
  });

  test("lets a save be repeated that was made after all", async () => {
    await using world = await behindProxy();
    const { store, proxy } = world;
    const job = await store.insert(newJob(), T0);
    const next = { ...job, attempt: 7 };
    proxy.loseNextAnswerAndLink();
    await expect(store.save(next, T0)).rejects.toMatchObject({
      isOutcomeUnknown: true,
    });
    await expect(store.save(next, T0)).rejects.toBeInstanceOf(StoreUnavailableError);
    proxy.setReachable(true);
    expect((await store.save(next, T0)).version).toBe(2);
    expect(await store.history(job.id)).toHaveLength(2);
  });

  test("lets a submission be repeated with the same upload, and makes one job of it", async () => {
    await using world = await behindProxy();
    const { store, proxy } = world;
    const submission = newJob();
    proxy.loseNextAnswerAndLink();
    const refused = store.insert(submission, T0);
    await expect(refused).rejects.toBeInstanceOf(StoreUnavailableError);
    proxy.setReachable(true);
    const job = await store.insert(submission, T0);
    expect(await store.list(ALL)).toEqual([job]);
    // What was to be taken back is this job now.
    await store.ping();
    expect(await store.get(job.id)).toEqual(job);
  });
});

test("answers that are lost again and again under load cost no write and double none", async () => {
  await using proxy = await lossyProxy(server.port);
  const url = await server.createDatabase();
  const at = new URL(url);
  at.port = String(proxy.port);
  await using store = await open(at.href);
  const load = startLoad(store);
  for (let round = 1; round <= 80; round++) {
    const { lost } = proxy;
    const before = load.done;
    if (round % 4 === 0) proxy.loseNextAnswerAndLink();
    else proxy.loseNextAnswer();
    await eventually("a loss", () => proxy.lost > lost);
    if (round % 4 === 0) await eventually("a refusal", () => load.refusals > 0);
    proxy.setReachable(true);
    await eventually("work", () => load.done > before + 5);
  }
  await load.stop();
  await eventually("the clean-up", async () => (await server.sql(url, "select id from job")).length === load.done);
  await load.check();
}, 180_000);

describe("a server that goes away under load", () => {
  const outages: Readonly<Record<string, (url: string) => Promise<void>>> = {
    async "is restarted"() {
      await server.stop("SIGINT");
      await server.start();
    },
    async "crashes and recovers"() {
      await server.stop("SIGKILL");
      await server.start();
    },
    async "ends without clean-up and stays away for a while"() {
      await server.stop("SIGQUIT");
      await new Promise((resolve) => setTimeout(resolve, 500));
      await server.start();
    },
    async "ends sessions one after the other"(url) {
      const end =
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
      for (let round = 0; round < 20; round++) await server.sql(url, `${end} order by random() limit 3`);
    },
  };
  for (const [name, outage] of Object.entries(outages)) {
    test(`and ${name} costs no write and doubles none`, async () => {
      const url = await server.createDatabase();
      await using store = await open(url);
      const load = startLoad(store);
      for (let round = 0; round < 3; round++) {
        const before = load.done;
        await eventually("work", () => load.done > before + 20);
        await outage(url);
      }
      const before = load.done;
      await eventually("work after the outage", () => load.done > before + 20);
      await load.stop();
      await eventually("the clean-up", async () => {
        const rows = await server.sql(url, "select id from job");
        return rows.length === load.done;
      });
      await load.check();
    }, 180_000);
  }

  test("refuses calls at once while it is away, and answers them as soon as it is back", async () => {
    await using store = await open(await server.createDatabase());
    const job = await store.insert(newJob(), T0);
    await server.stop();
    const startMs = performance.now();
    for (const call of [() => store.get(job.id), () => store.save(job, T0), () => store.insert(newJob(), T0)]) {
      await expect(call()).rejects.toBeInstanceOf(StoreUnavailableError);
    }
    expect(performance.now() - startMs).toBeLessThan(2_000);
    await server.start();
    expect(await store.get(job.id)).toEqual(job);
  });
});

describe("a server that does not answer", () => {
  test("is noticed within seconds, and used again when it goes on; late writes double nothing", async () => {
    const url = await server.createDatabase();
    await using store = await open(url);
    const job = await store.insert(newJob(), T0);
    await Promise.all(Array.from({ length: 10 }, () => store.ping()));
    server.freeze();
    const startMs = performance.now();
    const next = { ...job, attempt: 7 };
    const calls = [
      store.save(next, T0),
      store.insert(newJob(), T0),
      // More than there are connections: they wait for one, and must not wait for ever.
      ...Array.from({ length: 30 }, () => store.get(job.id)),
    ];
    for (const result of await Promise.allSettled(calls)) {
      expect(result.status === "rejected" && result.reason).toBeInstanceOf(StoreUnavailableError);
    }
    expect(performance.now() - startMs).toBeLessThan(12_000);
    await expect(store.ping()).rejects.toBeInstanceOf(StoreUnavailableError);
    server.thaw();
    expect((await store.save(next, T0)).version).toBe(2);
    expect(await store.history(job.id)).toHaveLength(2);
    await eventually("the clean-up", async () => (await store.list(ALL)).length === 1);
  }, 180_000);

  test("because a table is locked gives the statement up, and nothing is lost", async () => {
    const url = await server.createDatabase();
    await using store = await open(url);
    const job = await store.insert(newJob(), T0);
    const administrator = new PostgresConnection({ settings: readPostgresUrl(url), statementTimeoutMs: 0 });
    await administrator.query("begin", []);
    await administrator.query("lock table job", []);
    await expect(store.save(job, T0)).rejects.toMatchObject({ code: "store_unavailable", isOutcomeUnknown: false });
    await administrator.end();
    expect((await store.save(job, T0)).version).toBe(2);
  }, 30_000);
});

describe("a server without room", () => {
  test("for all connections of the pool serves what there is room for", async () => {
    const url = await server.createDatabase();
    await using store = await open(`${url}?pool_size=60`);
    const jobs = await Promise.all(Array.from({ length: 300 }, () => store.insert(newJob(), T0)));
    expect(new Set(jobs.map((job) => job.id)).size).toBe(300);
  });

  test("is waited for, refused when that takes too long, and used when there is room again", async () => {
    const url = await server.createDatabase();
    await using store = await open(url);
    await server.sql(
      url,
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    const others = await fillUp();
    const patient = store.insert(newJob(), T0);
    await others.pop()?.end();
    expect((await patient).version).toBe(1);

    const [refused] = await Promise.allSettled([open(url)]);
    expect(refused?.status === "rejected" && refused.reason).toBeInstanceOf(StoreUnavailableError);
    expect(refused?.status === "rejected" && refused.reason.message).toContain("too many clients already");
    for (const other of others) await other.end();
    await (await open(url)).close();
  }, 180_000);

  /** Takes every connection that the server has left. */
  async function fillUp(): Promise<PostgresConnection[]> {
    const settings = readPostgresUrl(server.url("postgres"));
    for (const others: PostgresConnection[] = []; ; ) {
      const other = new PostgresConnection({ settings, statementTimeoutMs: 0 });
      const isMade = await other.query("select 1", []).then(
        () => true,
        () => false,
      );
      if (!isMade) return others;
      others.push(other);
    }
  }
});

test("a store whose lock has to be taken again writes nothing meanwhile, and is read as ever", async () => {
  const url = await server.createDatabase();
  let isHeld = true;
  const options = { logger: recordingLogger(), mayWrite: () => isHeld };
  const store = await openJobStore({ kind: "postgres", url }, options);
  const job = await store.insert(newJob(), T0);
  isHeld = false;
  for (const write of [() => store.save(job, T0), () => store.insert(newJob(), T0), () => store.remove(job.id)]) {
    await expect(write()).rejects.toBeInstanceOf(StoreUnavailableError);
  }
  expect(await store.list(ALL)).toEqual([job]);
  isHeld = true;
  expect((await store.save(job, T0)).version).toBe(2);
  await store.close();
});

test("a server that takes no writes, as after a failover to a copy, is waited for", async () => {
  const url = await server.createDatabase();
  await using store = await open(url);
  const job = await store.insert(newJob(), T0);
  const readOnly = (value: string) =>
    server.sql(
      url,
      "set default_transaction_read_only = off",
      `alter system set default_transaction_read_only = ${value}`,
      "select pg_reload_conf()",
    );
  await readOnly("on");
  await eventually("the refusal", () =>
    store.rename(job.id, "other").then(
      () => false,
      (error: unknown) => error instanceof StoreUnavailableError,
    ),
  );
  expect(await store.get(job.id)).toMatchObject({ id: job.id });
  await readOnly("off");
  await eventually("the change", () => store.rename(job.id, "other").catch(() => false));
});
