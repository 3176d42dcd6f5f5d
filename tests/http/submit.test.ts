import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BusyError, JobDirectoryError, StoreUnavailableError } from "../../src/core/errors.ts";
import { InputDigest } from "../../src/files/job_input.ts";
import { edgeWorld, readmeZip, uploadForm } from "../support/edge_world.ts";
import { fileForm, rawForm, type Submission, submit, UPLOAD_HEADER } from "../support/submission.ts";
import { buildZip } from "../support/zip_builder.ts";

/** The names of all uploads ever are known to the store, which takes one that comes again for the same job. */
const UNIQUE_UPLOAD = /^upload-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MISSING = '{"detail":[{"loc":["body","upload"],"msg":"field required","type":"value_error.missing"}]}';

describe("a submission", () => {
  test("makes a job of the archive and answers with its place", async () => {
    using world = await edgeWorld();
    const answer = await submit(world, { headers: { host: "lab.example:8000" } });
    expect(answer).toMatchObject({ status: 303, text: "", location: "http://lab.example:8000/api/job/1" });
    const digest = new InputDigest();
    digest.add("README.md", 14);
    // What the job was given can be told from what its command does later.
    const input = { digest: digest.toString(), sealedOnMs: expect.any(Number) };
    const origin = { trace: { requestId: "request-1" }, input, retryOf: null };
    expect(world.jobs.submitted).toEqual([
      {
        name: "input.zip",
        application: "wc",
        submitter: "alice",
        parameters: {},
        origin,
        upload: expect.stringMatching(UNIQUE_UPLOAD),
      },
    ]);
    expect(world.leftovers()).toEqual(["1", "1/README.md"]);
    expect(readFileSync(join(world.jobs.jobRootDir, "1", "README.md"), "utf8")).toBe("one two three\n");
  });

  test("behind a trusted proxy is answered with the scheme of the proxy", async () => {
    using world = await edgeWorld();
    const headers = { ...world.auth(), host: "lab.example", "x-forwarded-proto": "https" };
    const request = new Request("http://inner/api/application/wc", { method: "PUT", headers, body: uploadForm() });
    const answer = await world.app.fetch(request, { peerAddress: "127.0.0.1" });
    expect(answer.headers.get("location")).toBe("https://lab.example/api/job/1");
  });

  test("keeps directories, content and the execute bit, in a directory that nobody else can enter", async () => {
    using world = await edgeWorld();
    const archive = buildZip([
      { name: "empty/", mode: 0o40755 },
      { name: "bin/run.sh", content: "#!/bin/sh\n", mode: 0o100755 },
      { name: "bin/group.sh", content: "x", mode: 0o100610 },
      { name: "deep/er/data.bin", content: Buffer.alloc(300_000, "abc"), mode: 0o100600 },
      { name: "stored.txt", content: "as it is", isStored: true, mode: 0 },
      { name: "nothing.txt", mode: 0o104644 },
    ]);
    expect(await submit(world, { application: "any", body: uploadForm(archive) })).toMatchObject({ status: 303 });
    const directory = join(world.jobs.jobRootDir, "1");
    const mode = (path: string) => (statSync(join(directory, path)).mode & 0o777).toString(8);
    expect(readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()).toEqual([
      "bin",
      "bin/group.sh",
      "bin/run.sh",
      "deep",
      "deep/er",
      "deep/er/data.bin",
      "empty",
      "nothing.txt",
      "stored.txt",
    ]);
    expect(["", "bin", "bin/run.sh", "bin/group.sh", "deep/er/data.bin", "stored.txt"].map(mode)).toEqual([
      "700",
      "755",
      "755",
      "644",
      "644",
      "644",
    ]);
    expect(readFileSync(join(directory, "deep/er/data.bin")).equals(Buffer.alloc(300_000, "abc"))).toBe(true);
    expect(readFileSync(join(directory, "nothing.txt"), "utf8")).toBe("");
  });

  test("takes text fields as strings, the last of a repeated name, and no other files", async () => {
    using world = await edgeWorld();
    const form = uploadForm(readmeZip(), { a: "1", __proto__x: "2" });
    form.append("a", "größe");
    form.append("__proto__", "own");
    form.append("notes", new File(["text"], "notes.txt"));
    expect(await submit(world, { application: "any", body: form })).toMatchObject({ status: 303 });
    const parameters = world.jobs.submitted[0]?.parameters ?? {};
    expect(JSON.stringify(parameters)).toBe('{"a":"größe","__proto__x":"2","__proto__":"own"}');
  });

  test("takes the last of several uploads", async () => {
    using world = await edgeWorld();
    const form = new FormData();
    form.append("upload", new File(["text"], "first.txt", { type: "text/plain" }));
    form.append("upload", new File([Buffer.alloc(600_000)], "second.zip", { type: "application/zip" }));
    form.append("upload", new File([readmeZip()], "third.zip", { type: "application/zip" }));
    expect(await submit(world, { body: form })).toMatchObject({ status: 303 });
    expect(world.jobs.submitted[0]?.name).toBe("third.zip");
    form.append("upload", "text");
    expect(await submit(world, { body: form })).toMatchObject({ status: 422 });
    expect(world.leftovers()).toEqual(["1", "1/README.md"]);
  });

  test.each(["application/zip", "application/x-zip-compressed", "Application/ZIP", "application/zip; charset=utf-8"])(
    "may have an upload of type %s",
    async (type) => {
      using world = await edgeWorld();
      const header = `Content-Disposition: form-data; name="upload"; filename="a"\r\nContent-Type: ${type}`;
      expect(await submit(world, rawForm([header, readmeZip()]))).toMatchObject({ status: 303 });
    },
  );

  test.each([
    ["plain.zip", "plain.zip"],
    ["", ""],
    ['a"b.zip', 'a"b.zip'],
    ["größe 😀.zip", "größe 😀.zip"],
    ["\x01con\x7ftrol\x85.zip", "control.zip"],
    ["😀".repeat(250), "😀".repeat(200)],
    ["a/b\\c.zip", "a/b\\c.zip"],
  ])("from a file named %p makes a job named %p", async (fileName, name) => {
    using world = await edgeWorld();
    const header = `Content-Disposition: form-data; name="upload"; filename="${fileName}"\r\nContent-Type: application/zip`;
    expect(await submit(world, rawForm([header, readmeZip()]))).toMatchObject({ status: 303 });
    expect(world.jobs.submitted[0]?.name).toBe(name);
  });

  test("satisfies needs however they and the entries are spelled", async () => {
    using world = await edgeWorld();
    const archive = buildZip([{ name: "./README.md", content: "x" }]);
    expect(await submit(world, { body: uploadForm(archive) })).toMatchObject({ status: 303 });
  });

  test("of an application with roles needs one of them", async () => {
    using world = await edgeWorld();
    const headers = world.auth("alice", { roles: ["user", "root"] });
    expect(await submit(world, { application: "shutdown", headers })).toMatchObject({ status: 303 });
  });
});

describe("a refused submission", () => {
  interface Refused {
    readonly submission: Submission;
    readonly status: number;
    readonly text: string;
  }
  const stringError = (detail: string) => JSON.stringify({ detail });
  const broken = (boundary: string, text: string): Submission => ({
    body: text,
    headers: { "content-type": `multipart/form-data${boundary}` },
  });
  const parsing = stringError("There was an error parsing the body");
  const refusals: readonly (readonly [string, Refused])[] = [
    [
      "an unknown application",
      {
        submission: { application: "nope" },
        status: 422,
        text: stringError("Invalid application. Valid applications: wc, any, strict, shutdown"),
      },
    ],
    ["a missing role", { submission: { application: "shutdown" }, status: 403, text: stringError("Missing role.") }],
    [
      "multipart without boundary",
      { submission: broken("", "x"), status: 400, text: stringError("Missing boundary in multipart.") },
    ],
    ["multipart that is none", { submission: broken("; boundary=b", "hello"), status: 400, text: parsing }],
    [
      "multipart that breaks off",
      { submission: broken("; boundary=b", `--b\r\n${UPLOAD_HEADER}\r\n\r\nPK`), status: 400, text: parsing },
    ],
    [
      "a part without a name",
      { submission: rawForm(["Content-Disposition: form-data", "x"]), status: 400, text: parsing },
    ],
    ["no parts at all", { submission: broken("; boundary=b", "--b--"), status: 422, text: MISSING }],
    ["an empty body", { submission: broken("; boundary=b", ""), status: 422, text: MISSING }],
    [
      "another kind of body",
      { submission: { body: "{}", headers: { "content-type": "application/json" } }, status: 422, text: MISSING },
    ],
    ["a body without content type", { submission: { body: Buffer.from("PK") }, status: 422, text: MISSING }],
    ["no upload", { submission: { body: fileForm("file", "a.zip", "application/zip") }, status: 422, text: MISSING }],
    [
      "a text field as upload",
      {
        submission: rawForm(['Content-Disposition: form-data; name="upload"', "x"]),
        status: 422,
        text: JSON.stringify({
          detail: [
            { loc: ["body", "upload"], msg: "Expected UploadFile, received: <class 'str'>", type: "value_error" },
          ],
        }),
      },
    ],
    [
      "an upload of another type",
      {
        submission: { body: fileForm("upload", "a.txt", "text/plain") },
        status: 415,
        text: stringError(
          'Uploaded file has content type "text/plain", expected application/zip or application/x-zip-compressed',
        ),
      },
    ],
    [
      "an upload without a type",
      {
        submission: rawForm(['Content-Disposition: form-data; name="upload"; filename="a.zip"', readmeZip()]),
        status: 415,
        text: stringError(
          'Uploaded file has content type "", expected application/zip or application/x-zip-compressed',
        ),
      },
    ],
    [
      "an upload that is no archive",
      {
        submission: { body: fileForm("upload", "a.zip", "application/zip", Buffer.from("hello")) },
        status: 422,
        text: stringError(
          "Uploaded file is not a valid zip archive: End of central directory record signature not found. Either not a zip file, or file is truncated",
        ),
      },
    ],
    [
      "a needed file that is missing",
      {
        submission: { body: uploadForm(buildZip([{ name: "sub/README.md", content: "x" }])) },
        status: 422,
        text: stringError("Archive does not contain required files: README.md"),
      },
    ],
    [
      "a needed file that is a directory",
      {
        submission: { body: uploadForm(buildZip([{ name: "README.md/" }])) },
        status: 422,
        text: stringError("Archive does not contain required files: README.md"),
      },
    ],
    [
      "a form that does not fit the schema",
      {
        submission: { application: "strict" },
        status: 422,
        text: stringError("'what' is a required property; 'x' is not wanted"),
      },
    ],
  ];
  test.each(refusals)("because of %s is answered with the reason and leaves nothing behind", async (_, refused) => {
    using world = await edgeWorld();
    const { status, text } = await submit(world, refused.submission);
    expect({ status, text }).toEqual({ status: refused.status, text: refused.text });
    expect(world.leftovers()).toEqual([]);
    expect(world.jobs.rows.size).toBe(0);
  });

  test("is refused before a byte of its body is read, when token, application or role are not right", async () => {
    using world = await edgeWorld();
    const cases: readonly (readonly [string, Record<string, string>, number])[] = [
      ["/api/application/wc", {}, 403],
      ["/api/application/wc", { authorization: "Bearer a.b" }, 401],
      ["/api/application/nope", world.auth(), 422],
      ["/api/application/shutdown", world.auth(), 403],
    ];
    for (const [path, headers, status] of cases) {
      let pulls = 0;
      const body = new ReadableStream(
        {
          pull() {
            pulls += 1;
            throw new Error("The body was read");
          },
        },
        { highWaterMark: 0 },
      );
      // A broken form on top: it is not looked at either.
      const answer = await world.app.request(path, {
        method: "PUT",
        headers: { "content-type": "multipart/form-data", ...headers },
        body,
        ...{ duplex: "half" },
      });
      expect([path, answer.status, pulls]).toEqual([path, status, 0]);
    }
  });

  test("by the daemon is answered 500 or 503, and its upload removed", async () => {
    using world = await edgeWorld();
    const faults: readonly (readonly [Error, number, string])[] = [
      [new JobDirectoryError("Directory of job 1 exists already"), 500, "Failed to create directory for job."],
      [new BusyError("The daemon is busy"), 503, "The daemon is busy"],
      [new StoreUnavailableError("disk I/O error"), 503, "The job store is not available, please try again later"],
      [new Error("unexpected"), 500, "Internal Server Error"],
    ];
    for (const [fault, status, detail] of faults) {
      world.jobs.fault = fault;
      expect(await submit(world)).toMatchObject({ status, text: stringError(detail) });
      expect(world.leftovers()).toEqual([]);
    }
  });
});
