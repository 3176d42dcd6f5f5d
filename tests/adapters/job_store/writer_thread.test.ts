import { describe, expect, test } from "bun:test";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { type ParameterOf, prepareQuery } from "../../../adapters/job_store/prepared_query.ts";
import { NodeSqliteDialect } from "../../../adapters/job_store/sqlite_dialect.ts";
import { LOCK_TIMEOUT_MS, SqliteSession } from "../../../adapters/job_store/sqlite_session.ts";
import { WriterThread } from "../../../adapters/job_store/writer_thread.ts";
import { StoreUnavailableError } from "../../../src/core/errors.ts";
import { eventually } from "../../support/eventually.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { tempDir } from "../../support/temp_dir.ts";

interface Notes {
  note: { id: number; text: string };
}

const FAULTY = new URL("./faulty_writer_thread.ts", import.meta.url);

/** A session whose thread has the faults that the texts of notes name, and a second connection to the same file. */
function setup(script = FAULTY) {
  const directory = tempDir();
  const path = join(directory.path, "notes.db");
  const database = new DatabaseSync(path);
  database.exec("pragma journal_mode = wal; create table note (id integer primary key, text text not null)");
  const other = new DatabaseSync(path);
  const [logger, clock] = [recordingLogger(), new ManualClock()];
  const thread = new WriterThread(path, logger, script);
  const session = new SqliteSession(database, thread, clock);
  const db = new Kysely<Notes>({ dialect: new NodeSqliteDialect(database) });
  const add = prepareQuery((parameter: ParameterOf<{ id: number; text: string }>) =>
    db
      .insertInto("note")
      .values({ id: parameter("id"), text: parameter("text") })
      .returning("id"),
  );
  const all = prepareQuery(() => db.selectFrom("note").select("id").orderBy("id"));
  return {
    ...{ path, other, session, logger, clock },
    note: (id: number, text = "") => session.write(add, { id, text }),
    ids: async () => (await session.read(all, {})).map((row) => row.id),
    seenByOthers: () => other.prepare("select count(*) as count from note").get()?.count,
    /** A note whose commit takes until `release` is called. */
    hold(id: number) {
      const signal = join(directory.path, `release-${id}`);
      return {
        written: session.write(add, { id, text: `hold until ${signal} exists` }),
        release: () => writeFileSync(signal, ""),
      };
    },
    async [Symbol.asyncDispose]() {
      other.close();
      await session.close();
      directory[Symbol.dispose]();
    },
  };
}

/** The reason of a write that fails. */
async function failureOf(writing: Promise<unknown>): Promise<StoreUnavailableError> {
  const error = await rejectionOf(writing);
  if (!(error instanceof StoreUnavailableError)) throw new Error(`expected StoreUnavailableError, got ${error}`);
  return error;
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setTimeout(resolve, 1));
};

describe("while a commit takes long", () => {
  test("the event loop turns, and reads are answered", async () => {
    await using world = setup();
    await world.note(1);
    const { written, release } = world.hold(2);
    await turns(20);
    expect(await world.ids()).toEqual([1]);
    release();
    await written;
    expect(await world.ids()).toEqual([1, 2]);
  });

  test("what is asked for meanwhile is committed after it, together", async () => {
    await using world = setup();
    const seen: unknown[] = [];
    const { written, release } = world.hold(1);
    const first = written.then(() => seen.push(world.seenByOthers()));
    const later: Promise<unknown>[] = [];
    for (const id of [2, 3, 4]) {
      await turns(2);
      later.push(world.note(id).then(() => seen.push(world.seenByOthers())));
    }
    expect(world.seenByOthers()).toBe(0);
    release();
    await Promise.all([first, ...later]);
    expect(seen).toEqual([1, 4, 4, 4]);
  });

  test("close() waits for it, and for what was asked for meanwhile", async () => {
    await using world = setup();
    const { written, release } = world.hold(1);
    await turns(5);
    const later = world.note(2);
    const closed = world.session.close();
    await turns(5);
    expect(world.seenByOthers()).toBe(0);
    release();
    await Promise.all([written, later, closed]);
    expect(world.seenByOthers()).toBe(2);
  });
});

describe("a lock of another process", () => {
  test("is waited for, with reads in between, and its end is noticed", async () => {
    await using world = setup();
    world.other.exec("begin immediate");
    let isWritten = false;
    const written = world.note(1).then(() => {
      isWritten = true;
    });
    // Retries are by this clock, their answers come from the thread.
    for (let round = 0; round < 10; round++) {
      await world.clock.advance(50);
      await turns(10);
    }
    expect(isWritten).toBe(false);
    expect(await world.ids()).toEqual([]);
    world.other.exec("rollback");
    await eventually("the write", async () => {
      await world.clock.advance(50);
      return isWritten;
    });
    await written;
    expect(await world.ids()).toEqual([1]);
  });

  test("that stays makes writes fail in the end, and they are not made", async () => {
    await using world = setup();
    world.other.exec("begin immediate");
    let failure: StoreUnavailableError | undefined;
    const failed = failureOf(world.note(1)).then((error) => {
      failure = error;
    });
    await eventually("the failure", async () => {
      await world.clock.advance(LOCK_TIMEOUT_MS / 5);
      return failure;
    });
    await failed;
    expect(failure?.message).toContain("another process holds the lock");
    expect(failure?.isOutcomeUnknown).toBe(false);
    world.other.exec("rollback");
    expect(await world.ids()).toEqual([]);
  });
});

describe("a thread that ends by a fault", () => {
  test.each([
    ["before", [3]],
    ["after", [1, 2, 3]],
  ])("%s the commit lets its writers know that the outcome is unknown, and another one goes on", async (when, ids) => {
    await using world = setup();
    const failures = await Promise.all([failureOf(world.note(1)), failureOf(world.note(2, `end ${when}`))]);
    for (const failure of failures) {
      expect(failure.message).toContain(`the thread that writes ended: planted ${when} the commit`);
      expect(failure.isOutcomeUnknown).toBe(true);
    }
    await world.note(3);
    expect(await world.ids()).toEqual([...ids]);
    expect(world.logger.lines.map((line) => line.level)).toEqual(["error"]);
  });

  test("takes nothing along that was asked for meanwhile", async () => {
    await using world = setup();
    await world.note(1);
    const failed = failureOf(world.note(2, "end before"));
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    const later = world.note(3);
    await Promise.all([failed, later]);
    expect(await world.ids()).toEqual([1, 3]);
  });

  test("is not followed by one that writes to another file at the same path", async () => {
    await using world = setup();
    await failureOf(world.note(1, "end before"));
    renameSync(world.path, `${world.path}.old`);
    writeFileSync(world.path, "");
    const failure = await failureOf(world.note(2));
    expect(failure.message).toContain("is not the one that was opened any more");
    expect(failure.isOutcomeUnknown).toBe(false);
    expect(await world.ids()).toEqual([]);
    renameSync(`${world.path}.old`, world.path);
    await world.note(3);
    expect(await world.ids()).toEqual([3]);
  });

  test("at its start makes each write fail, and close() does not wait for it", async () => {
    await using world = setup(new URL("./no_such_thread.ts", import.meta.url));
    for (const id of [1, 2])
      expect((await failureOf(world.note(id))).message).toContain("the thread that writes ended");
    await world.session.close();
    expect(existsSync(world.path)).toBe(true);
  });
});
