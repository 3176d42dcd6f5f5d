import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { migrateJobStore } from "../../adapters/job_store/build.ts";
import { buildWriterLock } from "../../adapters/writer_lock/build.ts";
import { runMigrate } from "../../src/cli/migrate.ts";
import type { DatabaseConfig } from "../../src/config/database_url.ts";
import { pythonJob, pythonSqlite } from "../adapters/job_store/python_database.ts";
import { capturedIo } from "../support/captured_io.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { tempDir } from "../support/temp_dir.ts";

const options = { clock: systemClock(), logger: recordingLogger() };

async function migrate(database: DatabaseConfig) {
  const { io, written } = capturedIo("/nowhere");
  const lock = () => buildWriterLock(database, options);
  const status = await runMigrate({ database, lock, migrate: (of) => migrateJobStore(of, options) }, io);
  return { status, ...written() };
}

describe("bartender migrate", () => {
  test("makes the tables of a new database, and says when there is nothing left to do", async () => {
    using directory = tempDir();
    const path = join(directory.path, "jobs.db");
    const first = await migrate({ kind: "sqlite", path });
    expect(first).toMatchObject({ status: 0, stderr: "" });
    expect(first.stdout).toMatch(new RegExp(`^sqlite:${path}: tables made \\(0001_job, .*\\)\n$`));
    expect(await migrate({ kind: "sqlite", path })).toEqual({
      status: 0,
      stdout: `sqlite:${path}: is up to date\n`,
      stderr: "",
    });
  });

  test("says how many jobs of the Python Bartender it took over", async () => {
    await using world = await pythonSqlite();
    await world.sql(pythonJob({ id: 1, state: "ok" }), pythonJob({ id: 2, state: "running" }));
    const { status, stdout } = await migrate(world.database);
    expect(status).toBe(0);
    expect(stdout).toContain("brought up to date (0001_job");
    expect(stdout).toEndWith("); took over 2 jobs of the Python Bartender, 1 of them unfinished\n");
  });

  test("leaves a database alone that a daemon uses, and says which", async () => {
    using directory = tempDir();
    const database = { kind: "sqlite", path: join(directory.path, "jobs.db") } as const;
    const answer = await buildWriterLock(database, options).tryAcquire();
    if (!answer.isAcquired) throw new Error("the lock is not free");
    const { status, stderr } = await migrate(database);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^bartender: sqlite:\S+ is in use by process \d+ on \S+ since \S+; stop that daemon first\n$/,
    );
    await answer.lock.release();
  });

  test("ends with a fault and one line when the database cannot be used", async () => {
    using directory = tempDir();
    const missing = { kind: "sqlite", path: join(directory.path, "no", "jobs.db") } as const;
    expect(await migrate(missing)).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringMatching(/^bartender: .+\n$/),
    });
    const away = { kind: "postgres", url: "postgres://bartender:s3cret@127.0.0.1:1/jobs" } as const;
    expect(await migrate(away)).toEqual({
      status: 1,
      stdout: "",
      stderr: 'bartender: Database "postgres://127.0.0.1:1/jobs": no database server listens at this address\n',
    });
  });
});
