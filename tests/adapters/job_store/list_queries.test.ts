import { describe, expect, test } from "bun:test";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { NAMES_AT_ONCE } from "../../../adapters/job_store/job_lister.ts";
import { type ListShape, listQueries } from "../../../adapters/job_store/list_queries.ts";
import { NodeSqliteDialect } from "../../../adapters/job_store/sqlite_dialect.ts";
import type { Tables } from "../../../adapters/job_store/tables.ts";
import { jobId } from "../../../src/core/ids.ts";
import { newJob } from "../../conformance/job_store_samples.ts";
import { T0 } from "../../support/job_builder.ts";
import { databaseFile } from "./database_file.ts";

const SHAPES: readonly (ListShape & { readonly index: string; readonly columns: string })[] = [
  { states: 0, applications: 0, index: "job_listed", columns: "submitter=?" },
  { states: 1, applications: 0, index: "job_by_state", columns: "submitter=? AND state=?" },
  { states: 5, applications: 0, index: "job_by_state", columns: "submitter=? AND state=?" },
  {
    ...{ states: 1, applications: 1, index: "job_by_state_application" },
    columns: "submitter=? AND state=? AND application=?",
  },
  {
    ...{ states: 6, applications: 20, index: "job_by_state_application" },
    columns: "submitter=? AND state=? AND application=?",
  },
];

function queriesOf(path: string) {
  const database = new DatabaseSync(path);
  const make = listQueries(new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) }));
  database.close();
  return make;
}

describe("a list with filters", () => {
  test.each(SHAPES)(
    "reads an index from its end, and sorts no more of each part than is wanted of it: %j",
    async ({ index, columns, ...shape }) => {
      using world = databaseFile();
      await (await world.open()).close();
      const { page, named, ids } = queriesOf(world.path)(shape);
      for (const { sql } of [page, named, ids]) {
        const steps = world.sql(`explain query plan ${sql}`).map(({ detail }) => String(detail));
        const searches = steps.filter((step) => step.includes("INDEX"));
        expect(searches).toHaveLength(Math.max(1, shape.states) * Math.max(1, shape.applications));
        for (const search of searches) {
          expect(search).toMatch(new RegExp(`^SEARCH job USING (COVERING )?INDEX ${index} `));
          expect(search).toContain(`(${columns} AND id<?)`);
        }
        // A part is limited to what is wanted of the whole list.
        expect(steps.filter((step) => /^SCAN (?!part\d|scanned)/.test(step))).toEqual([]);
        const sorted = steps.filter(
          (step, at) => step.includes("TEMP B-TREE") && !steps[at - 1]?.startsWith("SCAN part"),
        );
        expect(sorted).toEqual([]);
      }
    },
  );

  test("is prepared once for each shape", () => {
    using world = databaseFile();
    const queries = queriesOf(world.path);
    const shape = { states: 2, applications: 1 };
    expect(queries({ ...shape })).toBe(queries({ ...shape }));
    expect(queries({ ...shape, states: 3 })).not.toBe(queries({ ...shape }));
  });

  test("finds a name beyond many jobs with other names, with limit and offset over what it finds", async () => {
    using world = databaseFile();
    await using store = await world.open();
    const [first, second, third] = [
      await store.insert(newJob({ name: "needle 1" }), T0),
      await store.insert(newJob({ name: "needle 2" }), T0),
      await store.insert(newJob({ name: "needle 3" }), T0),
    ];
    world.sql(`
      insert into job (name, application, state, submitter, created_on, updated_on, saved_on, phase, progress)
      with recursive n (i) as (select 1 union all select i + 1 from n where i < ${2 * NAMES_AT_ONCE + 5})
      select 'hay', 'wc', state, submitter, created_on, updated_on, saved_on, phase, progress from n, job where id = 1`);
    const last = await store.insert(newJob({ name: "the last Needle" }), T0);
    const query = { submitter: "someone", filter: { states: [], applications: [], name: "needle" } } as const;
    const ids = async (limit: number, offset: number, before?: number) => {
      const page = before === undefined ? {} : { before: jobId(before) };
      return (await store.list({ ...query, limit, offset, ...page })).map(({ id }) => id);
    };
    expect(await ids(10, 0)).toEqual([last.id, third.id, second.id, first.id]);
    expect(await ids(2, 1)).toEqual([third.id, second.id]);
    expect(await ids(1, 3)).toEqual([first.id]);
    expect(await ids(1, 4)).toEqual([]);
    expect(await ids(10, 1, last.id)).toEqual([second.id, first.id]);
  });
});

describe("a row that cannot be read", () => {
  test("is replaced by later ones, so that only the last page is short", async () => {
    using world = databaseFile();
    await using store = await world.open();
    const ids = [];
    for (let count = 0; count < 6; count++) ids.unshift((await store.insert(newJob(), T0)).id);
    world.sql(`update job set progress = 'x' where id in (${ids[1]}, ${ids[2]})`);
    for (const name of ["", "first"]) {
      const filter = { states: [], applications: [], name };
      const jobs = await store.list({ submitter: "someone", limit: 3, offset: 0, filter });
      expect(jobs.map((job) => job.id)).toEqual([ids[0], ids[3], ids[4]] as typeof ids);
    }
  });
});
