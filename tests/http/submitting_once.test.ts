import { describe, expect, test } from "bun:test";
import { jobId } from "../../src/core/ids.ts";
import { type EdgeWorld, edgeWorld, readmeZip, uploadForm } from "../support/edge_world.ts";
import { type Submission, submit as send } from "../support/submission.ts";
import { buildZip } from "../support/zip_builder.ts";

const KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"';

const submit = (world: EdgeWorld, submission: Submission & { readonly key?: string; readonly user?: string } = {}) =>
  send(world, {
    ...submission,
    headers: { ...world.auth(submission.user ?? "alice"), "idempotency-key": submission.key ?? KEY },
  });

const detail = (text: string): unknown => JSON.parse(text).detail;

describe("a submission with an Idempotency-Key", () => {
  test("makes a job once, and is answered in the same way each time", async () => {
    using world = await edgeWorld();
    const first = await submit(world);
    expect(first).toMatchObject({ status: 303, location: "http://localhost/api/job/1" });
    const second = await submit(world);
    expect([second.status, second.text, second.location]).toEqual([first.status, first.text, first.location]);
    expect(world.jobs.rows.size).toBe(1);
    expect(world.leftovers()).toEqual(["1", "1/README.md"]);
  });

  test("makes one job however many of it come at the same time", async () => {
    using world = await edgeWorld();
    const answers = await Promise.all(Array.from({ length: 8 }, () => submit(world)));
    expect(answers.map(({ status, location }) => [status, location])).toEqual(
      answers.map(() => [303, "http://localhost/api/job/1"]),
    );
    expect(world.jobs.rows.size).toBe(1);
    expect(world.leftovers()).toEqual(["1", "1/README.md"]);
  });

  test("leaves it to the store who was first, and nothing behind of the other", async () => {
    using world = await edgeWorld();
    const earlier = { id: jobId(7), application: "wc", digest: "", isBeingDeleted: false };
    world.jobs.submitOnce = async (_job, { digest }) => ({ type: "known", earlier: { ...earlier, digest } });
    expect(await submit(world)).toMatchObject({ status: 303, location: "http://localhost/api/job/7" });
    expect(world.leftovers()).toEqual([]);
  });

  test("is the same when the client has packed the same files anew", async () => {
    using world = await edgeWorld();
    const [a, b] = [
      { name: "README.md", content: "x\n".repeat(100) },
      { name: "b/c", content: "y" },
    ];
    expect(await submit(world, { body: uploadForm(buildZip([a, b])) })).toMatchObject({ status: 303 });
    const again = buildZip([{ name: "b/" }, { ...b, isStored: true }, { ...a, name: "./README.md", isStored: true }]);
    expect(await submit(world, { body: uploadForm(again) })).toMatchObject({ status: 303 });
    expect(world.jobs.rows.size).toBe(1);
  });

  test.each([
    ["other content", { body: uploadForm(buildZip([{ name: "README.md", content: "one two four!\n" }])) }],
    ["a file more", { body: uploadForm(buildZip([{ name: "README.md", content: "one two three\n" }, { name: "b" }])) }],
    ["another form value", { body: uploadForm(readmeZip(), { a: "2" }) }],
    ["a form value more", { body: uploadForm(readmeZip(), { a: "1", b: "" }) }],
  ])("and %s than the first time is refused", async (_what, submission) => {
    using world = await edgeWorld();
    const application = "any";
    const first = { application, body: uploadForm(readmeZip(), { a: "1" }) };
    expect(await submit(world, first)).toMatchObject({ status: 303 });
    const { status, text } = await submit(world, { application, ...submission });
    expect([status, detail(text)]).toEqual([
      422,
      "Idempotency-Key: this key was used for other files or form values; take a new key for a new submission",
    ]);
    expect(await submit(world, { ...first, body: uploadForm(readmeZip(), { a: "1" }) })).toMatchObject({ status: 303 });
    expect(world.jobs.rows.size).toBe(1);
    expect(world.leftovers()).toEqual(["1", "1/README.md"]);
  });

  test("for another application is refused before the body is read", async () => {
    using world = await edgeWorld();
    await submit(world);
    const { status, text } = await submit(world, { application: "any", body: "no form" });
    expect([status, detail(text)]).toEqual([
      422,
      'Idempotency-Key: this key was used for the application "wc"; take a new key for a new submission',
    ]);
  });

  test("that was refused leaves the key free", async () => {
    using world = await edgeWorld();
    const wrong = uploadForm(buildZip([{ name: "other", content: "x" }]));
    expect(await submit(world, { body: wrong })).toMatchObject({ status: 422 });
    expect(await submit(world)).toMatchObject({ status: 303, location: "http://localhost/api/job/1" });
  });

  test("of another user has nothing to do with it", async () => {
    using world = await edgeWorld();
    expect(await submit(world, { user: "alice" })).toMatchObject({ location: "http://localhost/api/job/1" });
    expect(await submit(world, { user: "bob" })).toMatchObject({ location: "http://localhost/api/job/2" });
  });

  test("whose job is being deleted has to wait", async () => {
    using world = await edgeWorld();
    world.jobs.keyed = async () => ({ id: jobId(1), application: "wc", digest: "", isBeingDeleted: true });
    const { status, text, headers } = await submit(world);
    expect([status, detail(text), headers.get("retry-after")]).toEqual([
      409,
      "Idempotency-Key: the job that was submitted with this key is being deleted, try again later",
      "5",
    ]);
  });
});

describe("an Idempotency-Key", () => {
  test("is the same with and without quotes and blanks around", async () => {
    using world = await edgeWorld();
    for (const key of ['"a-1"', "a-1", '  "a-1"  ']) await submit(world, { key });
    expect(world.jobs.rows.size).toBe(1);
    for (const key of ['"say \\"a\\\\b\\""', '"x y, z"', "a;b=c", "x".repeat(255), `"${"y".repeat(255)}"`]) {
      expect(await submit(world, { key })).toMatchObject({ status: 303 });
    }
    expect(world.jobs.rows.size).toBe(6);
  });

  test.each([
    ["", '""'],
    ['""', '"\\"\\""'],
    ["a b", '"a b"'],
    ["a, b", '"a, b"'],
    ['"a", "b"', '"\\"a\\", \\"b\\""'],
    ['"a";b=1', '"\\"a\\";b=1"'],
    ['"a\tb"', '"\\"a\\tb\\""'],
    ["größe", '"größe"'],
    ["x".repeat(256), "256 characters"],
  ])("%p is refused before the body is read", async (key, got) => {
    using world = await edgeWorld();
    const { status, text } = await submit(world, { key, body: "no form" });
    expect([status, detail(text)]).toEqual([
      400,
      `Idempotency-Key: expected one key of 1 to 255 printable ASCII characters, got ${got}`,
    ]);
  });
});
