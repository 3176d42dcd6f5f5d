import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import { configureSqlite } from "../../../adapters/job_store/sqlite_pragmas.ts";
import { BartenderError, StoreUnavailableError } from "../../../src/core/errors.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { progressIn, T0 } from "../../support/job_builder.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { databaseFile } from "./database_file.ts";

function mode(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

describe("the file", () => {
  test("is made for its owner only, with its companions", async () => {
    using world = databaseFile();
    await using store = await world.open();
    await store.insert(newJob(), T0);
    for (const end of ["", "-wal", "-shm"]) expect(mode(`${world.path}${end}`)).toBe("600");
  });

  test("is made for its owner only behind a link too", async () => {
    using world = databaseFile();
    const target = join(world.directory, "target.db");
    symlinkSync(target, world.path);
    await using _store = await world.open();
    expect(mode(target)).toBe("600");
  });

  test("keeps the mode that somebody gave it", async () => {
    using world = databaseFile();
    await (await world.open()).close();
    chmodSync(world.path, 0o640);
    await using _store = await world.open();
    expect(mode(world.path)).toBe("640");
  });

  test("is the only one left after close()", async () => {
    using world = databaseFile();
    const store = await world.open();
    await store.insert(newJob(), T0);
    await store.close();
    expect(existsSync(`${world.path}-wal`)).toBe(false);
  });

  test("may have characters in its name that mean something in addresses", async () => {
    using world = databaseFile();
    const path = join(world.directory, "file:jobs?mode=memory#1 %41.db");
    const { id } = await (async () => {
      await using store = await world.open(path);
      return await store.insert(newJob(), T0);
    })();
    await using store = await world.open(path);
    expect((await store.get(id))?.id).toBe(id);
    expect(existsSync(path)).toBe(true);
  });

  test("is in WAL mode, and every commit is synced to the disk", async () => {
    using world = databaseFile();
    await (await world.open()).close();
    expect(world.sql("pragma journal_mode")).toEqual([{ journal_mode: "wal" }]);
    const database = new DatabaseSync(world.path);
    configureSqlite(database);
    expect(database.prepare("pragma synchronous").get()).toEqual({ synchronous: 2 });
    expect(database.prepare("pragma foreign_keys").get()).toEqual({ foreign_keys: 1 });
    expect(database.prepare("pragma busy_timeout").get()?.timeout).toBeGreaterThan(0);
    database.close();
  });
});

describe("a database in memory", () => {
  test("is empty every time, makes no file and warns", async () => {
    using world = databaseFile();
    for (let round = 0; round < 2; round++) {
      await using store = await world.open(":memory:");
      expect(await store.list({ submitter: "someone", limit: 10, offset: 0 })).toEqual([]);
      await store.insert(newJob(), T0);
    }
    expect(existsSync(":memory:")).toBe(false);
    expect(world.logger.lines.map((line) => line.level)).toEqual(["warn", "warn"]);
  });
});

describe("reopening", () => {
  test("finds the jobs, their history and the instance id again", async () => {
    using world = databaseFile();
    const first = await world.open();
    const job = await first.insert(newJob(), T0);
    const saved = await first.save({ ...job, progress: progressIn("running"), attempt: 1 }, T0 + 1);
    const history = await first.history(job.id);
    await first.close();
    await using second = await world.open();
    expect(second.instanceId).toBe(first.instanceId);
    expect(await second.get(job.id)).toEqual(saved);
    expect(await second.history(job.id)).toEqual(history);
  });

  test("does not let an id come back after the newest jobs were removed", async () => {
    using world = databaseFile();
    const first = await world.open();
    const ids = [await first.insert(newJob(), T0), await first.insert(newJob(), T0)].map((job) => job.id);
    for (const id of ids) await first.remove(id);
    await first.close();
    await using second = await world.open();
    expect((await second.insert(newJob(), T0)).id).toBeGreaterThan(Math.max(...ids));
  });
});

describe("what cannot be opened", () => {
  const refusal = async (opening: Promise<unknown>): Promise<BartenderError> => {
    const error = await opening.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof BartenderError)) throw new Error(`expected a refusal, got ${error}`);
    return error;
  };

  test("a directory that does not exist is named", async () => {
    using world = databaseFile();
    const path = join(world.directory, "no", "such", "jobs.db");
    const { message } = await refusal(world.open(path));
    expect(message).toBe(`Database "${path}": the directory "${dirname(path)}" does not exist`);
  });

  test("a directory in place of the file is refused", async () => {
    using world = databaseFile();
    mkdirSync(world.path);
    expect((await refusal(world.open())).message).toBe(`Database "${world.path}": expected a file, got a directory`);
  });

  test("an empty path is refused; SQLite would keep the jobs in a file without name", async () => {
    using world = databaseFile();
    expect((await refusal(world.open(""))).message).toBe('Database "": expected the path of a file');
  });

  test("a path through a file is refused", async () => {
    using world = databaseFile();
    writeFileSync(world.path, "");
    const { message } = await refusal(world.open(join(world.path, "jobs.db")));
    expect(message).toContain(`the directory "${world.path}" does not exist`);
  });

  test("a file that is no SQLite database is refused and left as it is", async () => {
    using world = databaseFile();
    const text = "applications: {}\n".repeat(100);
    writeFileSync(world.path, text);
    const { message, retryable } = await refusal(world.open());
    expect(message).toContain(`Database "${world.path}": the file is not an SQLite database`);
    expect(retryable).toBe(false);
    expect(readFileSync(world.path, "utf8")).toBe(text);
  });

  test("a damaged database is refused", async () => {
    using world = databaseFile();
    await (await world.open()).close();
    const bytes = readFileSync(world.path);
    bytes.fill(0xff, 100, 4096);
    writeFileSync(world.path, bytes);
    expect((await refusal(world.open())).message).toContain(`Database "${world.path}": the database is damaged`);
  });

  test("the database of another program is refused and left as it is", async () => {
    using world = databaseFile();
    world.sql("create table bookmarks (url text)");
    const { message } = await refusal(world.open());
    expect(message).toBe(
      `Database "${world.path}": the database belongs to another program, it has a table "bookmarks"`,
    );
    expect(world.sql("select name from sqlite_schema")).toEqual([{ name: "bookmarks" }]);
  });

  test("a database of a newer version is refused and left as it is", async () => {
    using world = databaseFile();
    await (await world.open()).close();
    world.sql("insert into bartender_migration (name, timestamp) values ('0999_future', '2099-01-01T00:00:00.000Z')");
    const { message } = await refusal(world.open());
    expect(message).toContain(`Database "${world.path}": the database was made by a newer version of Bartender`);
    expect(message).toContain("0999_future");
  });

  test("a database that another process keeps locked is waited for", async () => {
    using world = databaseFile();
    await (await world.open()).close();
    const clock = new ManualClock();
    const other = new DatabaseSync(world.path);
    other.exec("begin immediate");
    const opening = openJobStore({ kind: "sqlite", path: world.path }, { logger: world.logger, clock });
    await clock.advance(1_000);
    other.exec("rollback");
    await clock.advance(1_000);
    await (await opening).close();
    other.close();
  });

  test("a database that stays locked is refused with StoreUnavailableError", async () => {
    using world = databaseFile();
    await (await world.open()).close();
    const clock = new ManualClock();
    const other = new DatabaseSync(world.path);
    other.exec("begin immediate");
    const refused = refusal(openJobStore({ kind: "sqlite", path: world.path }, { logger: world.logger, clock }));
    await clock.advance(10_000);
    const error = await refused;
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error.message).toContain("another process holds the lock");
    other.close();
    // SQLite's own short wait at every try is real time.
  }, 30_000);
});
