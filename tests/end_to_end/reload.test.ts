import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";

interface Parts {
  readonly destinations?: string;
  readonly applications?: string;
  readonly more?: string;
  readonly picker?: string;
}

const ONE = "one: { scheduler: { type: memory, slots: 1 }, filesystem: { type: local } }";
const TWO = "two: { scheduler: { type: memory, slots: 1 }, filesystem: { type: local } }";

const SLOW = "slow: { command_template: 'while [ ! -e go ]; do sleep 0.05; done; echo done' }";
const QUICK = "quick: { command_template: echo quick }";

function configText({ destinations = ONE, applications = SLOW, more = "", picker = "pick_first" }: Parts = {}): string {
  return `job_root_dir: jobs
destination_picker: bartender.picker:${picker}
destinations:
  ${destinations}
applications:
  ${applications}
${more}
`;
}

/** A daemon whose configuration can be changed while it runs. */
async function setup(parts: Parts = {}) {
  const daemon = await startDaemon({ config: configText(parts) });
  const outcome = /The configuration was (taken over|refused)/g;
  return {
    daemon,
    /** @returns what the log says about it */
    async reload(config: string): Promise<string> {
      const before = daemon.log().length;
      const seen = [...daemon.log().matchAll(outcome)].length;
      writeFileSync(join(daemon.directory, "config.yaml"), config);
      process.kill(daemon.pid, "SIGHUP");
      for (const deadline = Date.now() + 45_000; Date.now() < deadline; await Bun.sleep(20)) {
        if ([...daemon.log().matchAll(outcome)].length > seen) return daemon.log().slice(before);
      }
      throw new Error(`No word about the reload:\n${daemon.log()}`);
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

async function runsThrough(daemon: DaemonProcess, id: number): Promise<void> {
  writeFileSync(join(daemon.directory, "jobs", String(id), "go"), "");
  await daemon.until(id, "ok");
}

async function destinationOf(daemon: DaemonProcess, id: number): Promise<unknown> {
  return ((await daemon.job(id)) as unknown as { readonly destination: unknown }).destination;
}

describe("a reload", () => {
  test("brings new applications and takes old ones away, in the API and its description", async () => {
    await using it = await setup();
    expect((await it.daemon.submit("quick", { a: "b" })).status).toBe(422);
    expect(await it.reload(configText({ applications: QUICK }))).toContain("taken over");
    const id = await it.daemon.submitOk("quick", { a: "b" });
    await it.daemon.until(id, "ok");
    expect((await it.daemon.submit("slow", { a: "b" })).status).toBe(422);
    const described = await it.daemon.text("/api/openapi.json");
    expect(described).toContain("/api/application/quick");
    expect(described).not.toContain("/api/application/slow");
  });

  test("changes limits and the rules of tokens", async () => {
    await using it = await setup();
    await it.reload(configText({ more: "limits: { max_stored_jobs: 1 }\ntokens: { issuers: [tests] }" }));
    await it.daemon.submitOk("slow", { a: "b" });
    expect((await it.daemon.submit("slow", { a: "b" })).status).toBe(429);
    const authorization = `Bearer ${await it.daemon.token({ iss: "others" })}`;
    expect((await it.daemon.call("GET", "/api/job/", { headers: { authorization } })).status).toBe(401);
  });

  test("changes interactive applications", async () => {
    await using it = await setup({ applications: QUICK });
    const id = await it.daemon.submitOk("quick", { a: "b" });
    await it.daemon.until(id, "ok");
    const ask = () => it.daemon.call("POST", `/api/job/${id}/interactive/hello`, { body: "{}" });
    expect((await ask()).status).toBe(404);
    const hello = "hello: { command_template: echo hello, input_schema: { type: object } }";
    await it.reload(
      configText({
        applications: QUICK,
        more: `interactive_applications:\n  ${hello}\nlimits: { interactive_max_load: 1000 }`,
      }),
    );
    expect(await (await ask()).json()).toMatchObject({ stdout: "hello\n" });
  });

  test("brings a destination that takes jobs at once, while a job of another one goes on", async () => {
    await using it = await setup();
    const old = await it.daemon.submitOk("slow", { a: "b" });
    await it.daemon.until(old, "running");
    await it.reload(configText({ destinations: `${TWO}\n  ${ONE}` }));
    const id = await it.daemon.submitOk("slow", { a: "b" });
    await it.daemon.until(id, "running");
    expect(await destinationOf(it.daemon, id)).toBe("two");
    await runsThrough(it.daemon, id);
    await runsThrough(it.daemon, old);
  });

  test("lets a removed destination finish its jobs, and gives it no new ones", async () => {
    await using it = await setup({ destinations: `${ONE}\n  ${TWO}` });
    const [running, waiting] = [
      await it.daemon.submitOk("slow", { a: "b" }),
      await it.daemon.submitOk("slow", { a: "b" }),
    ];
    await it.daemon.until(running, "running");
    await it.reload(configText({ destinations: TWO }));
    const id = await it.daemon.submitOk("slow", { a: "b" });
    await it.daemon.until(id, "running");
    expect(await destinationOf(it.daemon, id)).toBe("two");
    await runsThrough(it.daemon, running);
    await it.daemon.until(waiting, "running");
    expect(await destinationOf(it.daemon, waiting)).toBe("one");
    await runsThrough(it.daemon, waiting);
  });

  test("takes a removed destination back whose jobs still go on", async () => {
    await using it = await setup({ destinations: `${ONE}\n  ${TWO}` });
    const id = await it.daemon.submitOk("slow", { a: "b" });
    await it.daemon.until(id, "running");
    await it.reload(configText({ destinations: TWO }));
    await it.reload(configText({ destinations: `${ONE}\n  ${TWO}` }));
    const next = await it.daemon.submitOk("slow", { a: "b" });
    await runsThrough(it.daemon, id);
    await it.daemon.until(next, "running");
    expect(await destinationOf(it.daemon, next)).toBe("one");
  });

  test("builds a destination without jobs anew, and refuses that for one with jobs", async () => {
    await using it = await setup();
    const four = ONE.replace("slots: 1", "slots: 2");
    const ids = [await it.daemon.submitOk("slow", { a: "b" })];
    const refused = await it.reload(configText({ destinations: four }));
    expect(refused).toContain("destinations.one: has 1 unfinished job;");
    for (const id of ids) await runsThrough(it.daemon, id);
    expect(await it.reload(configText({ destinations: four }))).toContain("taken over");
    const both = [await it.daemon.submitOk("slow", { a: "b" }), await it.daemon.submitOk("slow", { a: "b" })];
    for (const id of both) await it.daemon.until(id, "running");
    for (const id of both) await runsThrough(it.daemon, id);
  });

  test("refuses a file with faults, tells all of them with line and column, and changes nothing", async () => {
    await using it = await setup();
    const said = await it.reload(configText({ applications: `${QUICK}\n  bad: { comand: x }`, more: "limits: 3" }));
    expect(said).toContain("refused");
    expect(said).toMatch(/config\.yaml:\d+:\d+: applications\.bad/);
    expect(said).toMatch(/config\.yaml:\d+:\d+: limits/);
    expect((await it.daemon.submit("quick", { a: "b" })).status).toBe(422);
    await runsThrough(it.daemon, await it.daemon.submitOk("slow", { a: "b" }));
  });

  test("refuses what cannot change while the daemon runs, with all else in the file", async () => {
    await using it = await setup();
    const moved = configText({ applications: QUICK }).replace("job_root_dir: jobs", "job_root_dir: elsewhere");
    expect(await it.reload(moved)).toContain("job_root_dir: cannot change while the daemon runs");
    expect((await it.daemon.submit("quick", { a: "b" })).status).toBe(422);
  });

  test("refuses a public key that cannot be used, and takes a new one", async () => {
    await using it = await setup();
    const key = join(it.daemon.directory, "public_key.pem");
    writeFileSync(key, "no key");
    expect(await it.reload(configText({ applications: QUICK }))).toContain("refused");
    expect((await it.daemon.call("GET", "/api/job/")).status).toBe(200);
  });
});
