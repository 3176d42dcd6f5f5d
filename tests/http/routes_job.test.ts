import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type EdgeWorld, edgeWorld } from "../support/edge_world.ts";
import { KILLED } from "../support/job_builder.ts";

interface Asked {
  readonly method?: string;
  readonly user?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly type?: string | null;
}

async function ask(world: EdgeWorld, path: string, asked: Asked = {}) {
  const headers = new Headers(world.auth(asked.user));
  if (typeof asked.type === "string") headers.set("content-type", asked.type);
  const answer = await world.app.request(path, {
    method: asked.method ?? "GET",
    headers,
    ...(asked.body === undefined ? {} : { body: new Blob([asked.body]) }),
  });
  const text = await answer.text();
  return { status: answer.status, text, json: text === "" ? undefined : JSON.parse(text) };
}

const NOT_INTEGER = { msg: "value is not a valid integer", type: "type_error.integer" };
const NOT_NEGATIVE = {
  msg: "ensure this value is greater than or equal to 0",
  type: "value_error.number.not_ge",
  ctx: { limit_value: 0 },
};
const NOT_FOUND = { status: 404, text: '{"detail":"Job not found"}' };

describe("the list of jobs", () => {
  test("holds the caller's jobs, the newest first, ten at most", async () => {
    using world = await edgeWorld();
    for (let count = 0; count < 12; count += 1) world.jobs.plant({});
    world.jobs.plant({ submitter: "bob" });
    const { json } = await ask(world, "/api/job/");
    expect(json.map(({ id }: { id: number }) => id)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
  });

  test("is empty for somebody without jobs", async () => {
    using world = await edgeWorld();
    expect(await ask(world, "/api/job/")).toMatchObject({ status: 200, text: "[]" });
  });

  test.each([
    ["limit=2", [3, 2]],
    ["limit=2&offset=1", [2, 1]],
    ["offset=2", [1]],
    ["limit=0", []],
    ["limit=1&limit=2", [3, 2]],
    ["limit=%202%20", [3, 2]],
    ["limit=+2", [3, 2]],
    ["offset=99", []],
    ["limit=99999999999999999999", [3, 2, 1]],
    ["offset=99999999999999999999", []],
    ["other=x", [3, 2, 1]],
  ])("with %s holds the jobs %p", async (query, ids) => {
    using world = await edgeWorld();
    for (let count = 0; count < 3; count += 1) world.jobs.plant({});
    const { json } = await ask(world, `/api/job/?${query}`);
    expect(json.map(({ id }: { id: number }) => id)).toEqual(ids);
  });

  test.each([
    ["limit=-1", [{ loc: ["query", "limit"], ...NOT_NEGATIVE }]],
    ["offset=-1", [{ loc: ["query", "offset"], ...NOT_NEGATIVE }]],
    ["limit=x", [{ loc: ["query", "limit"], ...NOT_INTEGER }]],
    ["limit=", [{ loc: ["query", "limit"], ...NOT_INTEGER }]],
    ["limit=1.5", [{ loc: ["query", "limit"], ...NOT_INTEGER }]],
    [
      "offset=NaN&limit=-3",
      [
        { loc: ["query", "limit"], ...NOT_NEGATIVE },
        { loc: ["query", "offset"], ...NOT_INTEGER },
      ],
    ],
  ])("with %s is refused, naming every faulty parameter", async (query, faults) => {
    using world = await edgeWorld();
    expect(await ask(world, `/api/job/?${query}`)).toMatchObject({
      status: 422,
      text: JSON.stringify({ detail: faults }),
    });
  });

  const plantFour = (world: EdgeWorld) => {
    world.jobs.plant({ phase: "running", application: "wc", name: "One.zip" });
    world.jobs.plant({ phase: "finished", application: "sort", name: "two & 2.zip" });
    world.jobs.plant({ phase: "finished", application: "wc", name: "onerous" });
    world.jobs.plant({ phase: "waiting", application: "w c", name: "%" });
  };

  test.each([
    ["state=ok", [3, 2]],
    ["state=running&state=queued", [4, 1]],
    ["state=ok&state=ok", [3, 2]],
    ["application=wc", [3, 1]],
    ["application=w+c&application=sort", [4, 2]],
    ["application=", []],
    ["name=ONE", [3, 1]],
    ["name=%25", [4]],
    ["name=", [4, 3, 2, 1]],
    ["name=x&name=two", [2]],
    ["before=3", [2, 1]],
    ["before=1", []],
    ["before=99999999999999999999", [4, 3, 2, 1]],
    ["before=4&offset=1", [2, 1]],
    ["state=ok&application=wc&name=one&before=4&limit=5", [3]],
  ])("with %s holds the jobs %p", async (query, ids) => {
    using world = await edgeWorld();
    plantFour(world);
    const { json } = await ask(world, `/api/job/?${query}`);
    expect(json.map(({ id }: { id: number }) => id)).toEqual(ids);
  });

  const states = ["new", "queued", "running", "staging_out", "ok", "error"];
  const notState = (index: number, given: string) => ({
    loc: ["query", "state", index],
    msg: "unexpected value; permitted: 'new', 'queued', 'running', 'staging_out', 'ok', 'error'",
    type: "value_error.const",
    ctx: { given, permitted: states },
  });
  const tooLong = {
    msg: "ensure this value has at most 200 characters",
    type: "value_error.any_str.max_length",
    ctx: { limit_value: 200 },
  };
  const many = Array.from({ length: 21 }, (_, index) => `application=a${index}`).join("&");
  test.each([
    ["state=OK", [notState(0, "OK")]],
    ["state=ok&state=&state=deleting", [notState(1, ""), notState(2, "deleting")]],
    [
      "before=0",
      [
        {
          loc: ["query", "before"],
          msg: "ensure this value is greater than 0",
          type: "value_error.number.not_gt",
          ctx: { limit_value: 0 },
        },
      ],
    ],
    ["before=x", [{ loc: ["query", "before"], ...NOT_INTEGER }]],
    [`name=${"é".repeat(201)}`, [{ loc: ["query", "name"], ...tooLong }]],
    [`application=wc&application=${"x".repeat(201)}`, [{ loc: ["query", "application", 1], ...tooLong }]],
    [
      "name=a%00",
      [{ loc: ["query", "name"], msg: "ensure this value has no NUL and no unpaired surrogate", type: "value_error" }],
    ],
    [
      many,
      [
        {
          loc: ["query", "application"],
          msg: "ensure this value has at most 20 items",
          type: "value_error.list.max_items",
          ctx: { limit_value: 20 },
        },
      ],
    ],
    [
      "limit=x&before=0.5&state=1",
      [{ loc: ["query", "limit"], ...NOT_INTEGER }, { loc: ["query", "before"], ...NOT_INTEGER }, notState(0, "1")],
    ],
  ])("with %s is refused like any faulty parameter", async (query, faults) => {
    using world = await edgeWorld();
    expect(await ask(world, `/api/job/?${query}`)).toMatchObject({
      status: 422,
      text: JSON.stringify({ detail: faults }),
    });
  });

  test("links to the next page until there is none, without the token", async () => {
    using world = await edgeWorld();
    for (let count = 0; count < 25; count += 1) world.jobs.plant({ name: "a & b", application: "w c" });
    const token = world.auth().authorization.slice("Bearer ".length);
    const seen: number[] = [];
    let next: string | undefined = `/api/job/?offset=2&limit=7&name=A%20%26&application=w+c&state=ok&token=${token}`;
    for (let pages = 0; next !== undefined; pages += 1) {
      expect(pages).toBeLessThan(10);
      const answer = await world.app.request(next, { headers: { ...world.auth(), host: "bartender.test:8000" } });
      seen.push(...((await answer.json()) as { id: number }[]).map(({ id }) => id));
      const link: string | null = answer.headers.get("link");
      expect(link ?? "").not.toContain("token");
      next =
        link === null ? undefined : /^<http:\/\/bartender\.test:8000(\/api\/job\/\?.*)>; rel="next"$/.exec(link)?.[1];
      if (link !== null) expect(next).toBeDefined();
    }
    expect(seen).toEqual(Array.from({ length: 23 }, (_, index) => 23 - index));
  });

  test.each(["limit=3", "limit=0", "limit=99", "before=1"])(
    "has no link when %s shows the last job or none",
    async (query) => {
      using world = await edgeWorld();
      for (let count = 0; count < 3; count += 1) world.jobs.plant({});
      const answer = await world.app.request(`/api/job/?${query}`, { headers: world.auth() });
      expect(answer.headers.get("link")).toBeNull();
    },
  );

  test("is not shown without a token, however faulty the parameters", async () => {
    using world = await edgeWorld();
    expect((await world.app.request("/api/job/?limit=x")).status).toBe(403);
  });
});

describe("a job number", () => {
  const operations: readonly (readonly [string, string, Asked])[] = [
    ["show", "", {}],
    ["delete", "", { method: "DELETE" }],
    ["history", "/history", {}],
    ["cancel", "/cancel", { method: "POST" }],
    ["rename", "/name", { method: "POST", body: '"x"' }],
    ["stdout", "/stdout", {}],
    ["stderr", "/stderr", {}],
  ];
  test.each(operations)("that nobody has, or somebody else, is not found: %s", async (_, suffix, asked) => {
    using world = await edgeWorld();
    const job = world.jobs.plant({ submitter: "bob" });
    for (const id of [String(job.id), "999", "0", "-1", "2147483648", "99999999999999999999999"]) {
      expect(await ask(world, `/api/job/${id}${suffix}`, asked)).toMatchObject(NOT_FOUND);
    }
    expect(world.jobs.rows.get(job.id)).toEqual(job);
  });

  test.each(operations)("that is none is refused with a list: %s", async (_, suffix, asked) => {
    using world = await edgeWorld();
    for (const id of ["NaN", "x", "1.5", "1e3"]) {
      expect(await ask(world, `/api/job/${id}${suffix}`, asked)).toMatchObject({
        status: 422,
        json: { detail: [{ loc: ["path", "jobid"], ...NOT_INTEGER }] },
      });
    }
  });
});

describe("a job", () => {
  test("is shown to its submitter", async () => {
    using world = await edgeWorld();
    const job = world.jobs.plant({ phase: "running", name: "größe.zip" });
    expect(await ask(world, `/api/job/${job.id}`)).toMatchObject({
      status: 200,
      text:
        `{"id":${job.id},"name":"größe.zip","application":"wc","state":"running",` +
        '"created_on":"2022-01-01T00:00:00+00:00","updated_on":"2022-01-01T00:00:00+00:00",' +
        '"reason":null,"destination":"here","queue_position":null,"submitted_on":null,"started_on":null,' +
        '"finished_on":null,"returncode":null}',
    });
  });

  test("that is cancelled is shown as it is saved, also when asked twice", async () => {
    using world = await edgeWorld();
    const job = world.jobs.plant({ phase: "running" });
    for (let count = 0; count < 2; count += 1) {
      const answer = await ask(world, `/api/job/${job.id}/cancel`, { method: "POST" });
      expect(answer).toMatchObject({ status: 202, json: { id: job.id, state: "staging_out" } });
    }
  });

  test.each([
    ["finished", "Job has finished already"],
    ["staging_out", "Job cannot be cancelled any more, it is past its command"],
    ["closing", "Job cannot be cancelled any more, it is past its command"],
  ] as const)("in phase %s is not cancelled", async (phase, detail) => {
    using world = await edgeWorld();
    const job = world.jobs.plant({ phase });
    expect(await ask(world, `/api/job/${job.id}/cancel`, { method: "POST" })).toMatchObject({
      status: 409,
      json: { detail },
    });
    expect(world.jobs.rows.get(job.id)).toEqual(job);
  });

  test("has a history, the oldest step first", async () => {
    using world = await edgeWorld();
    const job = world.jobs.plant({ phase: "accepted" });
    await world.clock.advance(1_500);
    const progress = { phase: "finished", placement: null, schedulerJobId: null, outcome: KILLED } as const;
    world.jobs.move(job.id, "finished", { attempt: 1, progress });
    expect(await ask(world, `/api/job/${job.id}/history`)).toMatchObject({
      status: 200,
      text:
        '[{"version":1,"on":"2022-01-01T00:00:00+00:00","state":"new","phase":"accepted","attempt":0,"reason":null},' +
        '{"version":2,"on":"2022-01-01T00:00:01.500+00:00","state":"error","phase":"finished","attempt":1,"reason":"Ended by signal 9"}]',
    });
  });

  test("is gone after its deletion, which has no body", async () => {
    using world = await edgeWorld();
    const job = world.jobs.plant({});
    expect(await ask(world, `/api/job/${job.id}`, { method: "DELETE" })).toMatchObject({ status: 204, text: "" });
    expect(existsSync(world.jobs.directory(job))).toBe(false);
    expect(await ask(world, `/api/job/${job.id}`, { method: "DELETE" })).toMatchObject(NOT_FOUND);
  });

  test("is not deleted while its files are in transit", async () => {
    using world = await edgeWorld();
    const job = world.jobs.plant({ phase: "staging_out" });
    expect(await ask(world, `/api/job/${job.id}`, { method: "DELETE" })).toMatchObject({
      status: 409,
      text: '{"detail":"Job cannot be deleted in its current state"}',
    });
  });
});

describe("the new name of a job", () => {
  async function rename(body: string | Uint8Array<ArrayBuffer> | undefined, type: string | null = "application/json") {
    using world = await edgeWorld();
    const job = world.jobs.plant({ phase: "running" });
    const answer = await ask(world, `/api/job/${job.id}/name`, {
      method: "POST",
      type,
      ...(body === undefined ? {} : { body }),
    });
    return { ...answer, name: world.jobs.rows.get(job.id)?.name };
  }

  test.each([
    ['"my name"', "my name"],
    ['  "x"\n', "x"],
    ['"\\u00e9\\n"', "é\n"],
    [`"${"😀".repeat(200)}"`, "😀".repeat(200)],
    ["17", "17"],
    ["-1.50", "-1.50"],
  ])("may be %s", async (body, name) => {
    expect(await rename(body)).toMatchObject({ status: 200, text: "null", name });
  });

  test("is JSON without a content type, and with any JSON type", async () => {
    expect(await rename('"a"', null)).toMatchObject({ status: 200, name: "a" });
    expect(await rename('"a"', "application/json; charset=utf-8")).toMatchObject({ status: 200, name: "a" });
    expect(await rename('"a"', "application/vnd.lab+json")).toMatchObject({ status: 200, name: "a" });
  });

  test("is the body itself with another content type", async () => {
    expect(await rename('"a" b', "text/plain")).toMatchObject({ status: 200, name: '"a" b' });
  });

  const missing = { msg: "field required", type: "value_error.missing" };
  const notText = { msg: "str type expected", type: "type_error.str" };
  test.each([
    [undefined, missing],
    ["", missing],
    ["null", missing],
    ["[1]", notText],
    ["{}", notText],
    ["true", notText],
    [
      '""',
      {
        msg: "ensure this value has at least 1 characters",
        type: "value_error.any_str.min_length",
        ctx: { limit_value: 1 },
      },
    ],
    [
      `"${"é".repeat(201)}"`,
      {
        msg: "ensure this value has at most 200 characters",
        type: "value_error.any_str.max_length",
        ctx: { limit_value: 200 },
      },
    ],
    ['"a\\u0000b"', { msg: "ensure this value has no NUL and no unpaired surrogate", type: "value_error" }],
    ['"\\ud800"', { msg: "ensure this value has no NUL and no unpaired surrogate", type: "value_error" }],
  ])("must not be %p", async (body, fault) => {
    expect(await rename(body)).toMatchObject({
      status: 422,
      text: JSON.stringify({ detail: [{ loc: ["body"], ...fault }] }),
      name: "input.zip",
    });
  });

  test("that is broken JSON is refused with the place of the fault", async () => {
    expect(await rename("my name")).toMatchObject({
      status: 422,
      json: {
        detail: [
          {
            loc: ["body", 0],
            msg: "Expecting value: line 1 column 1 (char 0)",
            type: "value_error.jsondecode",
            ctx: { msg: "Expecting value", doc: "my name", pos: 0, lineno: 1, colno: 1 },
          },
        ],
      },
    });
  });

  test("is reported together with a faulty job number, the path first", async () => {
    using world = await edgeWorld();
    const answer = await ask(world, "/api/job/NaN/name", { method: "POST", body: '""' });
    expect(answer.json.detail.map(({ loc }: { loc: unknown }) => loc)).toEqual([["path", "jobid"], ["body"]]);
  });

  test("that is not UTF-8 is refused", async () => {
    expect(await rename(new Uint8Array([0x22, 0xff, 0x22]))).toMatchObject({
      status: 400,
      text: '{"detail":"There was an error parsing the body"}',
    });
  });

  test("of two megabytes is not read to its end", async () => {
    expect(await rename(`"${"x".repeat(2_000_000)}"`)).toMatchObject({
      status: 413,
      text: '{"detail":"Request body is larger than 1000000 bytes"}',
    });
  });

  test("is not looked at without a token", async () => {
    using world = await edgeWorld();
    const answer = await world.app.request("/api/job/1/name", { method: "POST", body: "broken" });
    expect(answer.status).toBe(403);
  });
});
