import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { migrateJobStore, openJobStore } from "../../../adapters/job_store/build.ts";
import { jobId } from "../../../src/core/ids.ts";
import { UNFINISHED_IN_PYTHON } from "../../../src/core/python_job.ts";
import { jobToJson } from "../../../src/http/job_json.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { T0 } from "../../support/job_builder.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { type LegacyDatabase, pythonJob, pythonPostgres, pythonSqlite } from "./python_database.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const logger = recordingLogger();
const CREATED = Date.UTC(2023, 3, 5, 6, 7, 8) + 123.456;
const UPDATED = Date.UTC(2023, 3, 5, 6, 7, 9);
const FAILURE = { isOk: false, returnCode: null, reason: UNFINISHED_IN_PYTHON };

async function opened({ database }: LegacyDatabase) {
  const store = await openJobStore(database, { logger });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

describe.each([
  ["SQLite", pythonSqlite],
  ["PostgreSQL", () => pythonPostgres(server)],
] as const)("a database of the Python Bartender in %s", (_name, make) => {
  test("has its finished jobs taken over as they are, with number, owner, times and place", async () => {
    await using world = await make();
    await world.sql(
      pythonJob({ id: 3, state: "ok", internalId: "b8f7", destination: "slurm", name: "it's; naïve 名前" }),
      pythonJob({ id: 7, state: "error" }),
    );
    await using store = await opened(world);
    const [failed, done, ...more] = await store.list({ submitter: "someone", limit: 10, offset: 0 });
    expect(more).toEqual([]);
    expect(done).toMatchObject({
      ...{ id: jobId(3), name: "it's; naïve 名前", application: "wc", submitter: "someone", parameters: {} },
      ...{ createdOnMs: CREATED, updatedOnMs: UPDATED, finishedOnMs: UPDATED, startedOnMs: null, version: 1 },
      progress: {
        phase: "finished",
        placement: { destination: "slurm", isStaged: false },
        schedulerJobId: "b8f7",
        outcome: { isOk: true, returnCode: null, reason: null },
      },
    });
    expect(failed).toMatchObject({ id: jobId(7), progress: { placement: null, outcome: { isOk: false } } });
    expect(await store.unfinished(jobId(0), 10)).toEqual([]);
    expect(await store.history(jobId(3))).toEqual([
      { version: 1, onMs: UPDATED, phase: "finished", state: "ok", attempt: 0, reason: null },
    ]);
  });

  test("shows clients what the Python Bartender showed", async () => {
    await using world = await make();
    await world.sql(pythonJob({ id: 3, state: "ok", internalId: "b8f7", destination: "slurm" }));
    await using store = await opened(world);
    const job = await store.get(jobId(3));
    if (job === undefined) throw new Error("the job is gone");
    expect(jobToJson({ job, reason: null, queuePosition: null })).toMatchObject({
      ...{ id: 3, name: "input.zip", application: "wc", state: "ok" },
      ...{ created_on: "2023-04-05T06:07:08.123456+00:00", updated_on: "2023-04-05T06:07:09+00:00" },
    });
  });

  test.each(["new", "queued", "running", "staging_out"])(
    "has a job in state %s that no scheduler has ended with a reason",
    async (state) => {
      await using world = await make();
      await world.sql(pythonJob({ id: 1, state }));
      await using store = await opened(world);
      const [job] = await store.unfinished(jobId(0), 10);
      expect(job?.progress).toEqual({
        ...{ phase: "closing", placement: null, schedulerJobId: null },
        ...{ outcome: FAILURE, cancellation: null },
      });
      const [line] = await store.history(jobId(1));
      expect(line?.reason).toBe(UNFINISHED_IN_PYTHON);
    },
  );

  test("has jobs that a scheduler has followed where they are", async () => {
    await using world = await make();
    const states = ["new", "queued", "running", "staging_out"];
    await world.sql(
      ...states.map((state, index) =>
        pythonJob({ id: index + 1, state, internalId: `${index}`, destination: "slurm" }),
      ),
    );
    await using store = await opened(world);
    const placed = { destination: "slurm", isStaged: false };
    expect((await store.unfinished(jobId(0), 10)).map((job) => job.progress as unknown)).toEqual([
      { phase: "queued", ...placed, schedulerJobId: "0", rerun: null, note: null },
      { phase: "queued", ...placed, schedulerJobId: "1", rerun: null, note: null },
      { phase: "running", ...placed, schedulerJobId: "2" },
      { phase: "staging_out", ...placed, schedulerJobId: "3", outcome: FAILURE, cancellation: null },
    ]);
  });

  test("has new jobs numbered above all that it had, and saved, renamed and removed like any other", async () => {
    await using world = await make();
    await world.sql(pythonJob({ id: 41, state: "ok" }), pythonJob({ id: 5, state: "running" }));
    await using store = await opened(world);
    const job = await store.insert(newJob(), T0);
    expect(Number(job.id)).toBeGreaterThan(41);
    const [old] = await store.unfinished(jobId(0), 1);
    if (old === undefined) throw new Error("no unfinished job");
    expect((await store.save(old, T0)).version).toBe(2);
    expect(await store.rename(old.id, "other")).toBe(true);
    await store.remove(old.id);
    expect(await store.history(old.id)).toEqual([]);
  });

  test("is left with the version that Alembic wrote, and is not taken over twice", async () => {
    await using world = await make();
    await world.sql(pythonJob({ id: 1, state: "ok" }), pythonJob({ id: 2, state: "running" }));
    const report = await migrateJobStore(world.database, { logger });
    expect(report).toMatchObject({ isNew: false, adopted: { jobs: 2, unfinished: 1 } });
    expect(report.applied.length).toBeGreaterThan(0);
    const again = await migrateJobStore(world.database, { logger });
    expect(again).toEqual({ ...report, applied: [], adopted: undefined });
    expect(await world.sql("select version_num from alembic_version")).toMatchObject([{ version_num: "c9e7b3a1d2f4" }]);
  });

  test("without jobs is taken over too", async () => {
    await using world = await make();
    await using store = await opened(world);
    expect(Number((await store.insert(newJob(), T0)).id)).toBe(1);
  });

  test("of another version is refused, and left as it is", async () => {
    await using world = await make();
    await world.sql(pythonJob({ id: 1, state: "ok" }), "alter table job add column updated_by varchar(200)");
    await expect(openJobStore(world.database, { logger })).rejects.toThrow(
      "the database is of another version than Python Bartender 0.5; bring it there first, with alembic upgrade head",
    );
    expect(await world.sql("select updated_by from job")).toHaveLength(1);
  });
});

test("PostgreSQL goes on above the number of a job that was removed before the upgrade", async () => {
  await using world = await pythonPostgres(server);
  await world.sql(pythonJob({ id: 3, state: "ok" }), "select setval('job_id_seq', 90)");
  await using store = await opened(world);
  expect(Number((await store.insert(newJob(), T0)).id)).toBe(91);
});

test("PostgreSQL takes many jobs over in a few seconds", async () => {
  await using world = await pythonPostgres(server);
  await world.sql(`insert into job (name, application, state, submitter, internal_id, destination, created_on, updated_on)
    select 'n', 'wc', case when n % 100 = 0 then 'running' else 'ok' end, 'someone', n::text, 'slurm', now(), now()
    from generate_series(1, 50000) as n`);
  const report = await migrateJobStore(world.database, { logger });
  expect(report.adopted).toEqual({ jobs: 50_000, unfinished: 500 });
}, 180_000);
