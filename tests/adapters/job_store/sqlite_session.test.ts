import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { type ParameterOf, prepareQuery } from "../../../adapters/job_store/prepared_query.ts";
import { NodeSqliteDialect } from "../../../adapters/job_store/sqlite_dialect.ts";
import { LOCK_TIMEOUT_MS, SqliteSession } from "../../../adapters/job_store/sqlite_session.ts";
import { type BatchWriter, writerInPlace } from "../../../adapters/job_store/sqlite_writer.ts";
import { WriterThread } from "../../../adapters/job_store/writer_thread.ts";
import { StoreUnavailableError } from "../../../src/core/errors.ts";
import { ManualClock, settle } from "../../support/manual_clock.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { tempDir } from "../../support/temp_dir.ts";

interface Notes {
  note: { id: number; text: string };
}

type Writer = (database: DatabaseSync, path: string) => BatchWriter;

const IN_PLACE: Writer = (database) => writerInPlace(database);
const ON_A_THREAD: Writer = (_database, path) => new WriterThread(path, recordingLogger());

/** A session on a table of its own, and a second connection to the same file. */
function setup(writer = IN_PLACE) {
  const directory = tempDir();
  const path = join(directory.path, "notes.db");
  const database = new DatabaseSync(path);
  database.exec("pragma journal_mode = wal; create table note (id integer primary key, text text not null)");
  const other = new DatabaseSync(path);
  const clock = new ManualClock();
  const session = new SqliteSession(database, writer(database, path), clock);
  const db = new Kysely<Notes>({ dialect: new NodeSqliteDialect(database) });
  const add = prepareQuery((parameter: ParameterOf<{ id: number; text: string | null }>) =>
    db
      .insertInto("note")
      // The type allows null here, the table does not: a statement that fails.
      .values({ id: parameter("id"), text: parameter("text") as ReturnType<typeof parameter<"text">> & never })
      .returning("id"),
  );
  const change = prepareQuery((parameter: ParameterOf<{ id: number; text: string }>) =>
    db
      .updateTable("note")
      .set({ text: parameter("text") })
      .where("id", "=", parameter("id"))
      .returning("text"),
  );
  const all = prepareQuery(() => db.selectFrom("note").select(["id", "text"]).orderBy("id"));
  return {
    ...{ database, other, clock, session, add, change },
    note: (id: number, text: string | null = `note ${id}`) => session.write(add, { id, text }),
    ids: async () => (await session.read(all, {})).map((row) => row.id),
    seenByOthers: () => other.prepare("select count(*) as count from note").get()?.count,
    async [Symbol.asyncDispose]() {
      if (other.isTransaction) other.exec("rollback");
      other.close();
      await session.close();
      directory[Symbol.dispose]();
    },
  };
}

test("for how long a disk has been silent is told, from the last write that it answered", async () => {
  const gates: (() => void)[] = [];
  await using world = setup((database) => {
    const writer = writerInPlace(database);
    return {
      ...writer,
      async run(batch) {
        await new Promise<void>((resolve) => gates.push(resolve));
        return await writer.run(batch);
      },
    };
  });
  const { session, clock } = world;
  expect(session.silentMs()).toBe(0);
  const first = world.note(1);
  await settle();
  await clock.advance(3_000);
  const second = world.note(2);
  expect(session.silentMs()).toBe(3_000);
  gates.shift()?.();
  await first;
  await settle();
  await clock.advance(1_000);
  expect(session.silentMs()).toBe(1_000);
  gates.shift()?.();
  await second;
  expect(session.silentMs()).toBe(0);
});

describe.each([
  ["in place", IN_PLACE],
  ["on a thread", ON_A_THREAD],
])("writes %s", (_where, writer) => {
  test("a write is seen by other connections when its promise resolves, and not before", async () => {
    await using world = setup(writer);
    const written = world.note(1);
    expect(world.seenByOthers()).toBe(0);
    await written;
    expect(world.seenByOthers()).toBe(1);
  });

  test("writes of one turn are committed together", async () => {
    await using world = setup(writer);
    const seen: unknown[] = [];
    const writes = [1, 2, 3].map((id) => world.note(id).then(() => seen.push(world.seenByOthers())));
    await Promise.all(writes);
    expect(seen).toEqual([3, 3, 3]);
  });

  test("writes take effect in the order of the calls", async () => {
    await using world = setup(writer);
    const texts = Array.from({ length: 700 }, (_, index) => `text ${index}`);
    await Promise.all([world.note(1), ...texts.map((text) => world.session.write(world.change, { id: 1, text }))]);
    expect(world.other.prepare("select text from note").get()?.text).toBe("text 699");
  });

  test("a read sees what was committed before it, and nothing of what is still pending", async () => {
    await using world = setup(writer);
    await world.note(1);
    const pending = world.note(2);
    expect(await world.ids()).toEqual([1]);
    await pending;
    expect(await world.ids()).toEqual([1, 2]);
  });

  test("a statement that fails changes nothing and leaves the others of its transaction alone", async () => {
    await using world = setup(writer);
    const results = await Promise.allSettled([world.note(1), world.note(2, null), world.note(1), world.note(3)]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(await world.ids()).toEqual([1, 3]);
    const error = results[1]?.status === "rejected" ? results[1].reason : undefined;
    expect(error).toMatchObject({ code: "store_failed", retryable: false });
    expect(error.message).toContain("NOT NULL constraint failed");
  });

  test("a value that the database has no type for is refused", async () => {
    await using world = setup(writer);
    const wrong = { id: 1, text: undefined as unknown as string };
    await expect(world.session.write(world.add, wrong)).rejects.toThrow("expected a value for the database");
    expect(await world.ids()).toEqual([]);
  });
});

describe("a lock of another process", () => {
  test("writes wait for it without stopping the process, and reads go on", async () => {
    await using world = setup();
    await world.note(1);
    world.other.exec("begin immediate");
    let isWritten = false;
    const written = world.note(2).then(() => {
      isWritten = true;
    });
    await world.clock.advance(LOCK_TIMEOUT_MS - 100);
    expect(isWritten).toBe(false);
    expect(await world.ids()).toEqual([1]);
    world.other.exec("rollback");
    await world.clock.advance(100);
    await written;
    expect(await world.ids()).toEqual([1, 2]);
  });

  test("writes that waited for too long reject with StoreUnavailableError and are not made", async () => {
    await using world = setup();
    world.other.exec("begin immediate");
    const early = world.note(1);
    await world.clock.advance(LOCK_TIMEOUT_MS / 2);
    const late = world.note(2);
    const results = Promise.allSettled([early, late]);
    await world.clock.advance(LOCK_TIMEOUT_MS);
    for (const result of await results) {
      expect(result.status === "rejected" && result.reason).toBeInstanceOf(StoreUnavailableError);
      expect(result.status === "rejected" && result.reason.message).toContain("another process holds the lock");
    }
    world.other.exec("rollback");
    await world.note(3);
    expect(await world.ids()).toEqual([3]);
  });

  test("each lock has its own time: a later one is waited for as long again", async () => {
    await using world = setup();
    world.other.exec("begin immediate");
    const first = world.note(1);
    await world.clock.advance(LOCK_TIMEOUT_MS - 100);
    world.other.exec("rollback");
    await world.clock.advance(100);
    await first;
    world.other.exec("begin immediate");
    const second = world.note(2);
    await world.clock.advance(LOCK_TIMEOUT_MS - 100);
    world.other.exec("rollback");
    await world.clock.advance(100);
    await second;
    expect(await world.ids()).toEqual([1, 2]);
  });

  test("close() waits for the writes that wait", async () => {
    await using world = setup();
    world.other.exec("begin immediate");
    const written = world.note(1);
    await settle();
    const closed = world.session.close();
    world.other.exec("rollback");
    await world.clock.advance(100);
    await written;
    await closed;
    expect(world.seenByOthers()).toBe(1);
  });
});

describe("a full disk", () => {
  test("rejects all writes of the transaction with StoreUnavailableError; nothing of it stays and later ones succeed", async () => {
    await using world = setup();
    await world.note(1);
    world.database.exec("pragma max_page_count = 8");
    const results = await Promise.allSettled([world.note(2), world.note(3, "x".repeat(100_000)), world.note(4)]);
    for (const result of results) {
      expect(result.status === "rejected" && result.reason).toBeInstanceOf(StoreUnavailableError);
      expect(result.status === "rejected" && result.reason.message).toContain("the disk of the database is full");
    }
    expect(await world.ids()).toEqual([1]);
    await world.note(5);
    expect(await world.ids()).toEqual([1, 5]);
  });
});

describe.each([
  ["in place", IN_PLACE],
  ["on a thread", ON_A_THREAD],
])("close() with writes %s", (_where, writer) => {
  test("refuses what is asked for later and keeps what was asked for before", async () => {
    await using world = setup(writer);
    const before = world.note(1);
    const closed = world.session.close();
    await expect(world.note(2)).rejects.toThrow("The job store is closed");
    await expect(world.ids()).rejects.toBeInstanceOf(StoreUnavailableError);
    await before;
    await closed;
    expect(world.seenByOthers()).toBe(1);
  });
});
