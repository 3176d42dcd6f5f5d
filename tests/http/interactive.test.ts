import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../adapters/command_runner/local.ts";
import { processTable } from "../../adapters/scheduler/process_table.ts";
import type { Job } from "../../src/core/job.ts";
import type { InteractiveDeps } from "../../src/http/edge.ts";
import { configOf } from "../config/support/load_text.ts";
import { documentedSandbox } from "../support/documented_sandbox.ts";
import { type EdgeWorld, edgeWorld } from "../support/edge_world.ts";
import { eventually } from "../support/eventually.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { tempDir } from "../support/temp_dir.ts";

const CONFIG = `
applications:
  wc: {command_template: wc README.md}
  dock: {command_template: dock}
interactive_applications:
  ls:
    command_template: ls -1{% if reverse %}r{% endif %} {{ what|q }}
    input_schema:
      type: object
      additionalProperties: false
      required: [what]
      properties: {what: {type: string}, reverse: {type: boolean}}
  run: {command_template: "{{ line }}", timeout: 0.5, input_schema: &line {type: object, properties: {line: {type: string}}}}
  slow: {command_template: "{{ line }}", timeout: 20, input_schema: *line}
  rescore: {command_template: "true", job_application: dock, input_schema: {type: object}}
  member: {command_template: "echo {{ a.b }}", input_schema: {type: object}}
  files:
    command_template: pwd; ls -l {{ image|q }}; cat {{ image|q }} {{ note|q }}; echo {{ image|q }} {{ note|q }}
    input_schema:
      type: object
      properties:
        image: {type: string, maxLength: 60, contentMediaType: image/png, contentEncoding: base64}
        note: {type: string, contentMediaType: text/plain}
        plain: {type: string}
`;

interface World extends Disposable {
  readonly edge: EdgeWorld;
  readonly job: Job;
  readonly directory: string;
  post(application: string, body: unknown, init?: RequestInit): Promise<Response>;
  postText(path: string, body: string | undefined, init?: RequestInit): Promise<Response>;
}

async function setup(changes: Partial<InteractiveDeps> = {}): Promise<World> {
  const { interactiveApplications } = await configOf(CONFIG);
  const edge = await edgeWorld({
    interactive: {
      applications: interactiveApplications,
      runner: localCommandRunner({ clock: systemClock(), logger: recordingLogger(), killGraceMs: 200 }),
      environment: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
      maxLoad: 1,
      load: () => 1,
      ...changes,
    },
  });
  const job = edge.jobs.plant({ application: "wc" });
  const postText: World["postText"] = async (path, body, init = {}) =>
    edge.app.request(path, {
      method: "POST",
      headers: edge.auth(),
      ...(body === undefined ? {} : { body }),
      ...init,
    });
  return {
    edge,
    job,
    directory: edge.jobs.directory(job),
    postText,
    post: (application, body, init) =>
      postText(`/api/job/${job.id}/interactive/${application}`, JSON.stringify(body), init),
    [Symbol.dispose]: () => edge[Symbol.dispose](),
  };
}

const answerOf = async (response: Response) => ({ status: response.status, body: await response.json() });
const refusal = (status: number, detail: unknown) => ({ status, body: { detail } });

describe.skipIf(!existsSync("/usr/bin/bwrap"))("a command in the sandbox of the documentation", () => {
  /** Nothing of the world is hidden by its place below /tmp. */
  const sandboxed = async (): Promise<World> => {
    const { interactiveApplications } = await configOf(CONFIG);
    const applications = new Map(interactiveApplications);
    const world = await setup({ applications });
    const root = join(world.directory, "..");
    const tmp = join(root, "tmp");
    mkdirSync(tmp);
    const paths = { "/tmp": tmp, "/run/bartender": tmp, "/etc/bartender": tmp, "/var/lib/bartender": tmp };
    const sandbox = documentedSandbox({ ...paths, "/srv/bartender/jobs": root }, "interactive");
    for (const [name, application] of interactiveApplications)
      applications.set(name, { ...application, timeoutS: 6, sandbox });
    return world;
  };

  test("sees its own job, which it may change, and no other", async () => {
    using world = await sandboxed();
    const other = world.edge.jobs.directory(world.edge.jobs.plant({ application: "wc" }));
    for (const directory of [other, world.directory]) writeFileSync(join(directory, "seen.txt"), "");
    const line = `ls -d ../*/seen.txt; ls ${other}; touch ../outside 2>&1; echo made >made.txt; exit 3`;
    const { body } = await answerOf(await world.post("slow", { line }));
    expect(body).toMatchObject({ returncode: 3, stdout: `../${world.job.id}/seen.txt\n` });
    expect(readFileSync(join(world.directory, "made.txt"), "utf8")).toBe("made\n");
    expect(existsSync(join(world.directory, "../outside"))).toBe(false);
  });

  test("reads the files that came in the body", async () => {
    using world = await sandboxed();
    const { body } = await answerOf(await world.post("files", { image: btoa("picture"), note: " and text" }));
    expect(body).toMatchObject({ returncode: 0, stdout: expect.stringContaining("\npicture and text") });
  });

  test("is ended with its processes when its time is over", async () => {
    using world = await sandboxed();
    // Numbers of processes are others inside.
    const rest = `300.${process.pid}`;
    const resting = (): readonly string[] =>
      readdirSync("/proc").filter((pid) => {
        try {
          return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(`sleep\0${rest}`);
        } catch {
          // It has ended meanwhile.
          return false;
        }
      });
    const answer = world.post("run", { line: `sleep ${rest} & setsid sleep ${rest} & echo >begun; wait` });
    await eventually("the command", () => existsSync(join(world.directory, "begun")) && resting().length === 2);
    expect((await answerOf(await answer)).status).toBe(504);
    await eventually("its processes to end", () => resting().length === 0);
  });
});

describe("POST /api/job/{jobid}/interactive/{application}", () => {
  test("runs the command in the directory of the job and answers with what it printed", async () => {
    using world = await setup();
    writeFileSync(join(world.directory, "a b.txt"), "");
    const response = await world.post("ls", { what: ".", reverse: true });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe('{"returncode":0,"stderr":"","stdout":"a b.txt\\n"}');
  });

  test("answers 200 also when the command fails", async () => {
    using world = await setup();
    const { status, body } = await answerOf(await world.post("ls", { what: "nowhere" }));
    expect(status).toBe(200);
    expect(body).toMatchObject({ returncode: 2, stdout: "", stderr: expect.stringContaining("nowhere") });
  });

  test("shows numbers to the template as they were written", async () => {
    using world = await setup();
    const path = `/api/job/${world.job.id}/interactive/member`;
    const printed = async (number: string): Promise<unknown> =>
      (await answerOf(await world.postText(path, `{"a": {"b": ${number}}}`))).body;
    expect(await printed("1.0")).toMatchObject({ stdout: "1.0\n" });
    expect(await printed("1")).toMatchObject({ stdout: "1\n" });
    expect(await printed("2e3")).toMatchObject({ stdout: "2000.0\n" });
  });

  test("answers with the negative signal that ended the command", async () => {
    using world = await setup();
    expect(await (await world.post("run", { line: "kill -9 $$" })).json()).toMatchObject({ returncode: -9 });
  });

  test("gives the command a clean environment and no input", async () => {
    using world = await setup();
    const { stdout } = (await (await world.post("slow", { line: "env; cat" })).json()) as { readonly stdout: string };
    const names = stdout.split("\n").flatMap((line) => /^\w+(?==)/.exec(line) ?? []);
    // The shell sets some itself; the mark finds the processes again.
    const own = ["PWD", "OLDPWD", "SHLVL", "_", "BARTENDER_ATTEMPT"];
    expect(names.filter((name) => !own.includes(name)).sort()).toEqual(["LANG", "PATH"]);
  });

  test("works in the directory that a linked job points to", async () => {
    using world = await setup();
    using elsewhere = tempDir();
    writeFileSync(join(elsewhere.path, "linked.txt"), "");
    rmSync(world.directory, { recursive: true });
    symlinkSync(elsewhere.path, world.directory);
    expect(await (await world.post("ls", { what: "." })).json()).toMatchObject({ stdout: "linked.txt\n" });
  });

  test("refuses in the order token, number, job, state, application", async () => {
    using world = await setup();
    const { job, edge } = world;
    const running = edge.jobs.plant({ phase: "running" });
    const post = async (path: string, init?: RequestInit) => answerOf(await world.postText(path, "no json", init));
    expect(await post("/api/job/x/interactive/nope", { headers: {} })).toEqual(refusal(403, "Not authenticated"));
    expect(await post("/api/job/x/interactive/nope")).toEqual(
      refusal(422, [{ loc: ["path", "jobid"], msg: "value is not a valid integer", type: "type_error.integer" }]),
    );
    expect(await post("/api/job/999/interactive/nope")).toEqual(refusal(404, "Job not found"));
    expect(await post(`/api/job/${job.id}/interactive/ls`, { headers: edge.auth("bob") })).toEqual(
      refusal(404, "Job not found"),
    );
    expect(await post(`/api/job/${running.id}/interactive/nope`)).toEqual(refusal(425, "Job has not completed"));
    expect(await post(`/api/job/${job.id}/interactive/nope`)).toEqual(
      refusal(
        404,
        "Interactive application not found. Valid interactive applications: ls, run, slow, rescore, member, files",
      ),
    );
  });

  test("refuses with 503 while the machine is busier than the limit", async () => {
    let load = 2.51;
    using world = await setup({ maxLoad: 2.5, load: () => load });
    const refused = await world.post("rescore", "no object");
    expect(await answerOf(refused)).toEqual(refusal(503, "Machine load is too high, please try again later."));
    expect(refused.headers.get("retry-after")).toBe("30");
    load = 2.5;
    expect((await world.post("ls", { what: "." })).status).toBe(200);
  });

  test("refuses a job of another application, and names both, before it reads the body", async () => {
    using world = await setup();
    expect(await answerOf(await world.post("rescore", "no object"))).toEqual(
      refusal(422, 'Job was run with application "wc", not with "dock"'),
    );
  });

  test("refuses a body that is absent or no JSON with a list error", async () => {
    using world = await setup();
    const path = `/api/job/${world.job.id}/interactive/ls`;
    const missing = [{ loc: ["body"], msg: "field required", type: "value_error.missing" }];
    expect(await answerOf(await world.postText(path, undefined))).toEqual(refusal(422, missing));
    expect(await answerOf(await world.postText(path, " \n"))).toEqual(refusal(422, missing));
    expect(await answerOf(await world.postText(path, '{\n"what": }'))).toEqual(
      refusal(422, [
        {
          loc: ["body", 10],
          msg: "Expecting value: line 2 column 9 (char 10)",
          type: "value_error.jsondecode",
          ctx: { msg: "Expecting value", doc: '{\n"what": }', pos: 10, lineno: 2, colno: 9 },
        },
      ]),
    );
  });

  test("reads the body whatever its content type says", async () => {
    using world = await setup();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"]) {
      const headers = { ...world.edge.auth(), "content-type": type };
      expect((await world.post("ls", { what: "." }, { headers })).status).toBe(200);
    }
  });

  test("refuses a body that does not fit with every violation in one text", async () => {
    using world = await setup();
    const details: unknown[] = [];
    for (const body of [{}, { what: 5, x: 1 }, [], "text", null]) {
      details.push(((await (await world.post("ls", body)).json()) as { readonly detail: unknown }).detail);
    }
    expect(details).toEqual([
      "'what' is a required property",
      "Additional properties are not allowed ('x' was unexpected); what: 5 is not of type 'string'",
      "[] is not of type 'object'",
      "'text' is not of type 'object'",
      "None is not of type 'object'",
    ]);
  });

  test("refuses a body that is too large, and one that is not UTF-8", async () => {
    using world = await setup();
    const path = `/api/job/${world.job.id}/interactive/ls`;
    expect((await world.postText(path, " ".repeat(10_000_001))).status).toBe(413);
    const bytes = new Uint8Array([0x22, 0xff, 0x22]);
    expect((await world.postText(path, undefined, { body: bytes })).status).toBe(400);
  });

  test("refuses values that cannot be part of a command", async () => {
    using world = await setup();
    expect(await answerOf(await world.post("slow", { line: "echo a\0b" }))).toEqual(
      refusal(422, "Values must not contain NUL characters"),
    );
    expect(await answerOf(await world.post("ls", { what: "x".repeat(140_000) }))).toEqual(
      refusal(422, "Values make the command longer than 131071 bytes"),
    );
    expect((await answerOf(await world.post("member", {}))).status).toBe(422);
  });

  test("ends a command whose time is over with all its processes, and names the limit", async () => {
    using world = await setup();
    const line = "echo $$ > shell; setsid sleep 300 & echo $! > child; wait";
    expect(await answerOf(await world.post("run", { line }))).toEqual(
      refusal(504, 'Interactive application "run" was ended after its time limit of 0.5 s'),
    );
    const table = processTable();
    for (const file of ["shell", "child"]) {
      expect(table.read(Number(readFileSync(join(world.directory, file), "utf8")))).toBeUndefined();
    }
  });

  test("keeps the start of a long output, and says that it is not all", async () => {
    using world = await setup();
    const response = await world.post("slow", { line: "head -c 3000000 /dev/zero | tr '\\0' x; printf 'ok\\377' >&2" });
    const { returncode, stdout, stderr } = (await response.json()) as Record<string, string>;
    expect(returncode).toBe(0 as never);
    expect(stdout?.slice(1_048_570)).toBe("xxxxxx\n[Only the first 1048576 bytes of this output were kept]\n");
    expect(stderr).toBe("ok\uFFFD");
  });

  test("writes embedded files into a private directory that is gone afterwards", async () => {
    using world = await setup();
    const image = Buffer.from([0, 255, 10, 65]).toString("base64");
    const { stdout } = (await (await world.post("files", { image, note: "ü\n" })).json()) as {
      readonly stdout: string;
    };
    const path = /(\S+\/image) (\S+\/note)\n$/.exec(stdout);
    expect(stdout).toContain(`${world.directory}\n-rw------- 1`);
    expect(stdout).toContain("\0\uFFFD\nAü\n");
    expect(path?.[1]).toStartWith(world.edge.jobs.uploadDir);
    expect(existsSync(path?.[1] ?? "")).toBe(false);
    expect(world.edge.leftovers()).toEqual([String(world.job.id)]);
  });

  test("leaves absent and empty embedded files as they are", async () => {
    using world = await setup();
    const { stdout } = (await (await world.post("files", { image: "" })).json()) as { readonly stdout: string };
    expect(stdout.split("\n").at(-2)).toBe(" ");
  });

  test("applies the rules of the schema to the embedded text itself, not to a path", async () => {
    using world = await setup();
    const { body } = await answerOf(await world.post("files", { image: "A".repeat(64) }));
    expect(body).toEqual({ detail: `image: '${"A".repeat(64)}' is too long` });
  });

  test("refuses what is not base64, and takes line breaks in it", async () => {
    using world = await setup();
    for (const image of ["A", "AAA", "AA=A", "A A=", "AA-_", "äAAA", "QUJD="]) {
      expect(await answerOf(await world.post("files", { image }))).toEqual(refusal(422, "image: expected base64"));
    }
    expect((await world.post("files", { image: "QUJD\r\nREVG\n" })).status).toBe(200);
    expect(world.edge.leftovers()).toEqual([String(world.job.id)]);
  });

  test("runs the commands of one job one after the other, those of other jobs beside them", async () => {
    using world = await setup();
    const fifo = join(world.directory, "gate");
    const first = world.post("slow", { line: "echo first > log; mkfifo gate; cat gate; echo end >> log" });
    await eventually("the first command", () => existsSync(fifo));
    const second = world.post("slow", { line: "echo second >> log" });
    await eventually("the second request to wait", () => world.edge.clock.pending > 0);

    const other = world.edge.jobs.plant({});
    const path = `/api/job/${other.id}/interactive/slow`;
    expect((await world.postText(path, '{"line": "true"}')).status).toBe(200);
    expect(readFileSync(join(world.directory, "log"), "utf8")).toBe("first\n");
    writeFileSync(fifo, "");
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    expect(readFileSync(join(world.directory, "log"), "utf8")).toBe("first\nend\nsecond\n");
  });

  test("asks a request to come back whose turn does not come in the time that its command may take", async () => {
    using world = await setup();
    const fifo = join(world.directory, "gate");
    const first = world.post("slow", { line: "mkfifo gate; cat gate" });
    await eventually("the first command", () => existsSync(fifo));
    const second = world.post("slow", { line: "echo > second" });
    await eventually("the second request to wait", () => world.edge.clock.pending > 0);
    await world.edge.clock.advance(20_000);
    const refused = await second;
    expect(await answerOf(refused)).toEqual(
      refusal(503, `Job ${world.job.id} is busy with another interactive application, please try again later`),
    );
    expect(refused.headers.get("retry-after")).toBe("5");
    writeFileSync(fifo, "");
    expect((await first).status).toBe(200);
    expect(existsSync(join(world.directory, "second"))).toBe(false);
    expect((await world.post("ls", { what: "." })).status).toBe(200);
  });

  test("does not run in a job that was deleted while the request waited", async () => {
    using world = await setup();
    const fifo = join(world.directory, "gate");
    const first = world.post("slow", { line: "mkfifo gate; cat gate" });
    await eventually("the first command", () => existsSync(fifo));
    const second = world.post("slow", { line: "true" });
    await eventually("the second request to wait", () => world.edge.clock.pending > 0);
    await using _ = { [Symbol.asyncDispose]: async () => void (await first) };
    const moved = `${world.directory}-moved`;
    renameSync(world.directory, moved);
    mkdirSync(world.directory);
    await world.edge.jobs.remove(world.job.id, "alice");
    writeFileSync(join(moved, "gate"), "");
    expect(await answerOf(await second)).toEqual(refusal(404, "Job not found"));
  });

  test("answers 404 when the directory of the job is gone", async () => {
    using world = await setup();
    rmSync(world.directory, { recursive: true });
    expect(await answerOf(await world.post("ls", { what: "." }))).toEqual(refusal(404, "File not found"));
  });

  test("ends the command when the client leaves", async () => {
    using world = await setup();
    const server = world.edge.serve();
    try {
      const abort = new AbortController();
      const request = fetch(`${server.url}/api/job/${world.job.id}/interactive/slow`, {
        method: "POST",
        headers: world.edge.auth(),
        body: JSON.stringify({ line: "echo $$ > shell; sleep 300" }),
        signal: abort.signal,
      }).catch((error: unknown) => error);
      const pid = await eventually("the command", () => {
        const file = join(world.directory, "shell");
        return existsSync(file) && Number(readFileSync(file, "utf8"));
      });
      abort.abort();
      expect(await request).toHaveProperty("name", "AbortError");
      await eventually("the end of the command", () => processTable().read(pid) === undefined, 5000);
      // The turn is free again.
      expect((await world.post("ls", { what: "." })).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});
