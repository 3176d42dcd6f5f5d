import { describe, expect, test } from "bun:test";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { jobQueries } from "../../../adapters/job_store/job_queries.ts";
import { NodeSqliteDialect } from "../../../adapters/job_store/sqlite_dialect.ts";
import type { Tables } from "../../../adapters/job_store/tables.ts";
import { jobId } from "../../../src/core/ids.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { progressIn, T0 } from "../../support/job_builder.ts";
import { databaseFile } from "./database_file.ts";

describe("rows that somebody changed by hand", () => {
  test.each([
    ["progress = '{'", "progress: expected JSON"],
    [`progress = '{"phase":"paused"}'`, 'got "paused"'],
    ["phase = 'queued'", 'the phase column says "queued", the progress "running"'],
    ["parameters = '[1]'", "parameters: expected a JSON object, got [1]"],
    ["created_on = 'yesterday'", 'expected an ISO 8601 time with a time zone, got "yesterday"'],
    ["progress = null", "no progress is saved"],
  ])("with %s make get() fail with the number of the job, and do not spoil the others", async (change, text) => {
    using world = databaseFile();
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
    using world = databaseFile();
    await using store = await world.open();
    const jobs = [];
    for (let count = 0; count < 7; count++) jobs.push(await store.insert(newJob(), T0));
    world.sql("update job set progress = 'x' where id <= 4");
    expect(await store.unfinished(jobId(0), 2)).toEqual(jobs.slice(4, 6));
    expect(await store.unfinished(jobs[5]?.id ?? jobId(0), 2)).toEqual(jobs.slice(6));
  });

  test("a history line that cannot be read makes history() fail with the number of the job", async () => {
    using world = databaseFile();
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
    using world = databaseFile();
    await using store = await world.open();
    world.sql(`insert into job (name, application, state, submitter, internal_id, destination, created_on, updated_on,
      phase, saved_on) values ('n', 'wc', '${state}', 'someone', '17', 'cluster', '2022-01-01T00:00:00.123456+00:00',
      '2022-01-01T02:00:00+02:00', 'finished', '2022-01-01T00:00:00Z')`);
    const [job] = await store.list({ submitter: "someone", limit: 10, offset: 0 });
    expect(job).toMatchObject({ version: 1, attempt: 0, parameters: {}, createdOnMs: T0 + 123.456, updatedOnMs: T0 });
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
    ["unfinished", "job_unfinished"],
    ["finishedBefore", "job_finished"],
    ["nextFinishedApplication", "job_finished"],
    ["keyed", "job_idempotency"],
    ["nthStored", "job_listed"],
    ["nthUnfinished", "job_unfinished_of"],
  ] as const)("takes the index for %s() and sorts nothing", async (name, index) => {
    using world = databaseFile();
    await (await world.open()).close();
    const database = new DatabaseSync(world.path);
    const queries = jobQueries(new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) }));
    database.close();
    const plan = JSON.stringify(world.sql(`explain query plan ${queries[name].sql}`));
    expect(plan).toMatch(new RegExp(`USING (COVERING )?INDEX ${index}`));
    expect(plan).not.toContain("TEMP B-TREE");
  });
});
