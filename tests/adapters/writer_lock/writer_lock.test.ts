import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { PostgresConnection } from "../../../adapters/postgres/connection.ts";
import { readPostgresUrl } from "../../../adapters/postgres/settings.ts";
import { buildWriterLock } from "../../../adapters/writer_lock/build.ts";
import type { DatabaseConfig } from "../../../src/config/database_url.ts";
import { StoreUnavailableError } from "../../../src/core/errors.ts";
import type { HeldWriterLock, WriterLock } from "../../../src/ports/writer_lock.ts";
import { eventually } from "../../support/eventually.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

const HOLDER = join(import.meta.dirname, "lock_holder.ts");

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

function lockOf(database: DatabaseConfig): WriterLock & { readonly logger: ReturnType<typeof recordingLogger> } {
  const logger = recordingLogger();
  return { ...buildWriterLock(database, { clock: systemClock(), logger }), logger };
}

async function acquired(lock: WriterLock): Promise<HeldWriterLock> {
  const answer = await lock.tryAcquire();
  if (!answer.isAcquired) throw new Error(`the lock is held by ${answer.holder}`);
  return answer.lock;
}

/** A process that holds the lock until it is killed. */
async function holderProcess(database: DatabaseConfig) {
  const child = spawn(process.execPath, [HOLDER, JSON.stringify(database)], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    pid: child.pid,
    async kill() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

interface World extends AsyncDisposable {
  readonly database: DatabaseConfig;
}

const WORLDS: Readonly<Record<string, () => Promise<World>>> = {
  async SQLite() {
    const directory = tempDir();
    const database = { kind: "sqlite", path: join(directory.path, "jobs.db") } as const;
    return { database, [Symbol.asyncDispose]: async () => directory[Symbol.dispose]() };
  },
  async PostgreSQL() {
    const database = { kind: "postgres", url: await server.createDatabase() } as const;
    return { database, [Symbol.asyncDispose]: async () => {} };
  },
};

for (const [name, open] of Object.entries(WORLDS)) {
  describe(`the writer lock of ${name}`, () => {
    test("is had by one process at a time, and the other is told who has it", async () => {
      await using world = await open();
      const other = await holderProcess(world.database);
      const answer = await lockOf(world.database).tryAcquire();
      expect(answer).toMatchObject({ isAcquired: false });
      expect(answer.isAcquired || answer.holder).toStartWith(`process ${other.pid} on ${hostname()}`);
      await other.kill();
    });

    test("goes away with its process, however that ends", async () => {
      await using world = await open();
      await (await holderProcess(world.database)).kill();
      const lock = lockOf(world.database);
      const held = await eventually("the lock", async () => {
        const answer = await lock.tryAcquire();
        return answer.isAcquired && answer.lock;
      });
      await held.release();
    });

    test("can be had again after its release, which may be repeated", async () => {
      await using world = await open();
      for (let round = 0; round < 3; round++) {
        const held = await acquired(lockOf(world.database));
        expect(held.isHeld).toBe(true);
        expect((await lockOf(world.database).tryAcquire()).isAcquired).toBe(false);
        await held.release();
        expect(held.isHeld).toBe(false);
        await held.release();
      }
    });

    test("is another one for another database", async () => {
      await using one = await open();
      await using other = await open();
      const locks = [await acquired(lockOf(one.database)), await acquired(lockOf(other.database))];
      for (const lock of locks) await lock.release();
    });
  });
}

describe("the lock file of SQLite", () => {
  test("lies beside the database, for its owner only", async () => {
    await using world = await (WORLDS.SQLite as () => Promise<World>)();
    const held = await acquired(lockOf(world.database));
    const path = world.database.kind === "sqlite" ? `${world.database.path}-lock` : "";
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
    await held.release();
  });

  test("is not needed for a database in memory, which no other process can open", async () => {
    const memory = { kind: "sqlite", path: ":memory:" } as const;
    for (const held of [await acquired(lockOf(memory)), await acquired(lockOf(memory))]) await held.release();
  });
});

describe("the session that holds the lock in PostgreSQL", () => {
  const sessionsOf = (url: string) =>
    server.sql(url, "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");

  test("is replaced when the server ends it, and the lock is still the same one's", async () => {
    const url = await server.createDatabase();
    const lock = lockOf({ kind: "postgres", url });
    const held = await acquired(lock);
    await server.sql(url, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'");
    await eventually("the lock", () => lock.logger.lines.some((line) => line.message.includes("taken again")));
    expect((await lockOf({ kind: "postgres", url }).tryAcquire()).isAcquired).toBe(false);
    await held.release();
    await eventually("the end of the session", async () => (await sessionsOf(url)).length === 0);
  });

  test("lost to another process is reported to the one that had it", async () => {
    const url = await server.createDatabase();
    const held = await acquired(lockOf({ kind: "postgres", url }));
    // Another session is in line when the first ends.
    const other = new PostgresConnection({ settings: readPostgresUrl(url), statementTimeoutMs: 0 });
    const waiting = other.query("select pg_advisory_lock(1113682548, hashtext(current_schema()))", []);
    await eventually("a session in line", async () => {
      const [row] = await server.sql(url, "select count(*)::int as count from pg_locks where not granted");
      return row?.count === 1;
    });
    await server.sql(url, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted");
    expect(await held.lost).toContain("has taken over the database");
    await waiting;
    await other.end();
  });

  test("lost while nobody was looking is reported, also when the other one is gone again", async () => {
    const url = await server.createDatabase();
    const held = await acquired(lockOf({ kind: "postgres", url }));
    // As another daemon leaves it behind that had the lock in between.
    await server.sql(url, "update bartender_writer set token = 'another'");
    await server.sql(url, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'");
    expect(await held.lost).toBe("another process had the database meanwhile");
  });

  test("cannot be had while the server is away", async () => {
    const url = await server.createDatabase();
    await server.stop();
    await expect(lockOf({ kind: "postgres", url }).tryAcquire()).rejects.toBeInstanceOf(StoreUnavailableError);
    await server.start();
  });

  test("survives a restart of the server", async () => {
    const url = await server.createDatabase();
    const lock = lockOf({ kind: "postgres", url });
    const held = await acquired(lock);
    await server.stop();
    await eventually("the loss", () => lock.logger.lines.some((line) => line.level === "warn"));
    expect(held.isHeld).toBe(false);
    await server.start();
    await eventually("the lock", () => lock.logger.lines.some((line) => line.message.includes("taken again")));
    expect(held.isHeld).toBe(true);
    await held.release();
  });
});
