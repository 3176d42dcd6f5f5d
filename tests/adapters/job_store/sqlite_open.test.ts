import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { openJobStore } from "../../../adapters/job_store/build.ts";
import { jobQueries } from "../../../adapters/job_store/job_queries.ts";
import { configureSqlite } from "../../../adapters/job_store/sqlite.ts";
import { NodeSqliteDialect } from "../../../adapters/job_store/sqlite_dialect.ts";
import type { Tables } from "../../../adapters/job_store/tables.ts";
import { BartenderError, StoreUnavailableError } from "../../../src/core/errors.ts";
import { jobId } from "../../../src/core/ids.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { progressIn, T0 } from "../../support/job_builder.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

/** A place for a database, a way to open a store in it, and one to look into the file beside it. */
function setup() {
  const directory = tempDir();
  const path = join(directory.path, "jobs.db");
  const logger = recordingLogger();
  const open = async (at = path) => {
    const store = await openJobStore({ kind: "sqlite", path: at }, { logger });
    return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
  };
  return {
    ...{ directory: directory.path, path, logger, open },
    /** Runs SQL on the file, as an administrator might. */
    sql(text: string, at = path) {
      const database = new DatabaseSync(at);
      try {
        return database.prepare(text).all();
      } finally {
        database.close();
      }
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

function mode(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

describe("the file", () => {
  test("is made for its owner only, with its companions", async () => {
    using world = setup();
    await using store = await world.open();
    await store.insert(newJob(), T0);
    for (const end of ["", "-wal", "-shm"]) expect(mode(`${world.path}${end}`)).toBe("600");
  });

  test("is made for its owner only behind a link too", async () => {
    using world = setup();
    const target = join(world.directory, "target.db");
    symlinkSync(target, world.path);
    await using _store = await world.open();
    expect(mode(target)).toBe("600");
  });

  test("keeps the mode that somebody gave it", async () => {
    using world = setup();
    await (await world.open()).close();
    chmodSync(world.path, 0o640);
    await using _store = await world.open();
    expect(mode(world.path)).toBe("640");
  });

  test("is the only one left after close()", async () => {
    using world = setup();
    const store = await world.open();
    await store.insert(newJob(), T0);
    await store.close();
    expect(existsSync(`${world.path}-wal`)).toBe(false);
  });

  test("may have characters in its name that mean something in addresses", async () => {
    using world = setup();
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
    using world = setup();
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

describe("reopening", () => {
  test("finds the jobs, their history and the instance id again", async () => {
    using world = setup();
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
    using world = setup();
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
    using world = setup();
    const path = join(world.directory, "no", "such", "jobs.db");
    const { message } = await refusal(world.open(path));
    expect(message).toBe(`Database "${path}": the directory "${dirname(path)}" does not exist`);
  });

  test("a directory in place of the file is refused", async () => {
    using world = setup();
    mkdirSync(world.path);
    expect((await refusal(world.open())).message).toBe(`Database "${world.path}": expected a file, got a directory`);
  });

  test.each(["", ":memory:"])('the path "%s" is refused, because jobs must outlive the process', async (path) => {
    using world = setup();
    expect((await refusal(world.open(path))).message).toContain("expected the path of a file that keeps the jobs");
  });

  test("a path through a file is refused", async () => {
    using world = setup();
    writeFileSync(world.path, "");
    const { message } = await refusal(world.open(join(world.path, "jobs.db")));
    expect(message).toContain(`the directory "${world.path}" does not exist`);
  });

  test("a file that is no SQLite database is refused and left as it is", async () => {
    using world = setup();
    const text = "applications: {}\n".repeat(100);
    writeFileSync(world.path, text);
    const { message, retryable } = await refusal(world.open());
    expect(message).toContain(`Database "${world.path}": the file is not an SQLite database`);
    expect(retryable).toBe(false);
    expect(readFileSync(world.path, "utf8")).toBe(text);
  });

  test("a damaged database is refused", async () => {
    using world = setup();
    await (await world.open()).close();
    const bytes = readFileSync(world.path);
    bytes.fill(0xff, 100, 4096);
    writeFileSync(world.path, bytes);
    expect((await refusal(world.open())).message).toContain(`Database "${world.path}": the database is damaged`);
  });

  test("the database of another program is refused and left as it is", async () => {
    using world = setup();
    world.sql("create table bookmarks (url text)");
    const { message } = await refusal(world.open());
    expect(message).toBe(
      `Database "${world.path}": the database belongs to another program, it has a table "bookmarks"`,
    );
    expect(world.sql("select name from sqlite_schema")).toEqual([{ name: "bookmarks" }]);
  });

  test("a database of a newer version is refused and left as it is", async () => {
    using world = setup();
    await (await world.open()).close();
    world.sql("insert into bartender_migration (name, timestamp) values ('0999_future', '2099-01-01T00:00:00.000Z')");
    const { message } = await refusal(world.open());
    expect(message).toContain(`Database "${world.path}": the database was made by a newer version of Bartender`);
    expect(message).toContain("0999_future");
  });

  test("a database that another process keeps locked is waited for", async () => {
    using world = setup();
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
    using world = setup();
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
  });

  test("PostgreSQL is refused with a clear text", async () => {
    const { message } = await refusal(openJobStore({ kind: "postgres" }, { logger: recordingLogger() }));
    expect(message).toBe("PostgreSQL is not available yet in this version");
  });
});

describe("rows that somebody changed by hand", () => {
  test.each([
    ["progress = '{'", "progress: expected JSON"],
    [`progress = '{"phase":"paused"}'`, 'got "paused"'],
    ["phase = 'queued'", 'the phase column says "queued", the progress "running"'],
    ["parameters = '[1]'", "parameters: expected a JSON object, got [1]"],
    ["created_on = 'yesterday'", 'expected an ISO 8601 time with a time zone, got "yesterday"'],
    ["progress = null", "no progress is saved"],
  ])("with %s make get() fail with the number of the job, and do not spoil the others", async (change, text) => {
    using world = setup();
    await using store = await world.open();
    const jobs = [await store.insert(newJob(), T0), await store.insert(newJob(), T0), await store.insert(newJob(), T0)];
    const [first, broken, last] = await Promise.all(
      jobs.map((job) => store.save({ ...job, progress: progressIn("running") }, T0)),
    );
    if (first === undefined || broken === undefined || last === undefined) throw new Error("three jobs were saved");
    world.sql(`update job set ${change} where id = ${broken.id}`);

    await expect(store.get(broken.id)).rejects.toThrow(`Job ${broken.id}: the saved row cannot be read: `);
    await expect(store.get(broken.id)).rejects.toThrow(text);
    expect(await store.list({ submitter: "someone", limit: 10, offset: 0 })).toEqual([last, first]);
    expect(await store.unfinished(jobId(0), 10)).toEqual([first, last]);
    expect(world.logger.lines).toHaveLength(1);
    expect(world.logger.lines[0]).toMatchObject({ level: "error", fields: { job: broken.id } });

    await store.remove(broken.id);
    expect(await store.get(broken.id)).toBeUndefined();
  });

  test("do not make a batch of unfinished() short, which would look like the end", async () => {
    using world = setup();
    await using store = await world.open();
    const jobs = [];
    for (let count = 0; count < 7; count++) jobs.push(await store.insert(newJob(), T0));
    world.sql("update job set progress = 'x' where id <= 4");
    expect(await store.unfinished(jobId(0), 2)).toEqual(jobs.slice(4, 6));
    expect(await store.unfinished(jobs[5]?.id ?? jobId(0), 2)).toEqual(jobs.slice(6));
  });

  test("a history line that cannot be read makes history() fail with the number of the job", async () => {
    using world = setup();
    await using store = await world.open();
    const { id } = await store.insert(newJob(), T0);
    world.sql("update job_history set phase = 'paused'");
    await expect(store.history(id)).rejects.toThrow(
      `Job ${id}: the saved row cannot be read: row.phase: expected one of`,
    );
  });
});

describe("rows of the Python Bartender", () => {
  test.each([
    ["ok", true],
    ["error", false],
  ] as const)("in state %s, without our columns, are finished jobs", async (state, isOk) => {
    using world = setup();
    await using store = await world.open();
    world.sql(`insert into job (name, application, state, submitter, internal_id, destination, created_on, updated_on,
      phase, saved_on) values ('n', 'wc', '${state}', 'someone', '17', 'cluster', '2022-01-01T00:00:00.123456+00:00',
      '2022-01-01T02:00:00+02:00', 'finished', '2022-01-01T00:00:00Z')`);
    const [job] = await store.list({ submitter: "someone", limit: 10, offset: 0 });
    expect(job).toMatchObject({ version: 1, attempt: 0, parameters: {}, createdOnMs: T0 + 123, updatedOnMs: T0 });
    expect(job?.progress as unknown).toEqual({
      phase: "finished",
      placement: { destination: "cluster", isStaged: false },
      schedulerJobId: "17",
      outcome: { isOk, returnCode: null, reason: null },
    });
    expect(await store.unfinished(jobId(0), 10)).toEqual([]);
  });
});

describe("the query planner", () => {
  test.each([
    ["list", "job_listed"],
    ["unfinished", "job_unfinished"],
  ] as const)("takes the index for %s() and sorts nothing", async (name, index) => {
    using world = setup();
    await (await world.open()).close();
    const database = new DatabaseSync(world.path);
    const queries = jobQueries(new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) }));
    database.close();
    const plan = JSON.stringify(world.sql(`explain query plan ${queries[name].sql}`));
    expect(plan).toContain(`USING INDEX ${index}`);
    expect(plan).not.toContain("TEMP B-TREE");
  });
});
