import { expect, test } from "bun:test";
import { createConsoleApp } from "../../src/console/app.ts";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { AdminService, JobAction } from "../../src/ports/admin_service.ts";
import { fakeJobService } from "../support/fake_job_service.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { recordingLogger } from "../support/recording_logger.ts";
import { tempDir } from "../support/temp_dir.ts";

/** The app in front of a service that only notes what it is asked; each test gives what it needs of it. */
function setup(admin: Partial<AdminService> = {}) {
  const directory = tempDir();
  const clock = new ManualClock();
  const logger = recordingLogger();
  const acts: { readonly action: JobAction; readonly by: string }[] = [];
  const service = {
    async act(action: JobAction, by: string) {
      acts.push({ action, by });
      return [];
    },
    ...admin,
  } as unknown as AdminService;
  const jobs = fakeJobService(directory.path, clock);
  const app = createConsoleApp({ admin: service, jobs, clock, logger, stopping: new AbortController().signal });
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    env?: { readonly uid: number },
  ) => {
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await app.request(path, init, env);
    return { status: response.status, body: (await response.json()) as unknown };
  };
  return { ask, acts, logger, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

test("an action goes to jobs by number or by filter, never to all by omission", async () => {
  using world = setup();
  const { ask, acts } = world;
  await ask("POST", "/jobs/cancel", { ids: [17] }, { "x-bartender-user": "eve" });
  await ask("POST", "/jobs/delete", { filter: { state: "ok,error", older: "2d" }, dry_run: true });
  expect(acts).toMatchObject([
    { action: { action: "cancel", jobs: { type: "ids", ids: [17] }, isDryRun: false }, by: "eve (claimed)" },
    {
      action: { jobs: { filter: { states: ["ok", "error"], olderThanMs: 172_800_000 } }, isDryRun: true },
      by: "unknown",
    },
  ]);
  for (const body of [{}, { filter: {} }, { ids: "17" }, { ids: [17], filter: { state: "ok" } }, { ids: [-1] }]) {
    expect((await ask("POST", "/jobs/cancel", body)).status).toBe(422);
  }
  expect(acts).toHaveLength(2);
});

test("who acts is named by the number of the account, and by a name that is more than that number", async () => {
  using world = setup();
  const by = async (user: string, uid: number) => {
    await world.ask("POST", "/jobs/cancel", { ids: [17] }, { "x-bartender-user": user }, { uid });
    return world.acts.at(-1);
  };
  expect(await by("eve", 1000)).toMatchObject({ by: "uid 1000, eve (claimed)" });
  expect(await by("uid 1000", 1000)).toMatchObject({ by: "uid 1000" });
  expect(await by("uid 0", 1000)).toMatchObject({ by: "uid 1000, uid 0 (claimed)" });
});

test("a wrong parameter is refused by its name", async () => {
  using world = setup();
  const refused = async (path: string) => (await world.ask("GET", path)).body;
  expect(await refused("/jobs?limit=0")).toEqual({ detail: 'limit: expected a whole number from 1 to 10000, got "0"' });
  expect(await refused("/jobs?older=P5M")).toMatchObject({ detail: expect.stringMatching(/^older: expected an age/) });
  expect(await refused("/jobs?colour=red")).toEqual({ detail: "colour: unknown parameter" });
  expect(await refused("/jobs/x")).toMatchObject({ detail: expect.stringMatching(/^id: expected a whole number/) });
});

test("what the daemon does not have is refused, not a fault", async () => {
  using world = setup({ setMode: async () => false });
  expect(await world.ask("POST", "/reload")).toMatchObject({ status: 501 });
  expect(await world.ask("GET", "/loglevel")).toMatchObject({ status: 501 });
  expect(await world.ask("POST", "/destinations/x/mode", { mode: "open" })).toMatchObject({ status: 404 });
  expect(await world.ask("POST", "/destinations/x/mode", { mode: "up" })).toMatchObject({ status: 422 });
});

test("a database that is away is told, and a fault tells nothing of itself", async () => {
  using world = setup({
    audit: async () => {
      throw new StoreUnavailableError("gone");
    },
    performers: async () => {
      throw new Error("secret");
    },
  });
  expect(await world.ask("GET", "/audit")).toMatchObject({ status: 503 });
  expect(await world.ask("GET", "/performers")).toEqual({ status: 500, body: { detail: "Internal Server Error" } });
});
