import { describe, expect, test } from "bun:test";
import type { Destination } from "../../actors/destination.ts";
import { supervisor } from "../../actors/kernel/child_spec.ts";
import type { DestinationConfig } from "../../src/config/config.ts";
import type { Job } from "../../src/core/job.ts";
import { liveConfig } from "../../src/live_config.ts";
import { Reloader } from "../../src/reload.ts";
import { configOf } from "../config/support/load_text.ts";
import { LOCAL_FILES } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { recordingLogger } from "../support/recording_logger.ts";

const MEMORY = "{ scheduler: { type: memory }, filesystem: { type: local } }";

function configWith(...destinations: readonly string[]) {
  const entries = destinations.map((name) => `  ${name}: ${MEMORY}\n`).join("");
  return configOf(`job_root_dir: /srv/jobs\napplications: { wc: { command_template: wc } }\ndestinations:\n${entries}`);
}

/** A reloader with everything around it noted; what it does to a real daemon is tested in tests/end_to_end. */
async function setup(...destinations: readonly string[]) {
  const log: string[] = [];
  const clock = new ManualClock();
  const unfinished: Job[] = [];
  const faults = { edge: false, open: "" };
  const build = (name: string, { rules, backoff, poll }: DestinationConfig): Destination => {
    if (name === faults.open) throw new Error("cannot be built");
    return {
      ...{ name, rules, backoff, poll },
      scheduler: controlledScheduler(),
      fileSystem: LOCAL_FILES,
      credentials: { scheduler: [], file_system: [] },
    };
  };
  const first = await configWith(...destinations);
  const live = await liveConfig(first, clock);
  const all = new Map([...first.destinations].map(([name, settings]) => [name, build(name, settings)]));
  const reloader = new Reloader({
    live,
    built: {
      ...{
        destinations: all,
        commands: {},
        open: async (...of: Parameters<typeof build>) => build(...of),
        close: async () => undefined,
      },
      runner: { run: () => Promise.reject(new Error("nothing is run")), close: async () => undefined } as never,
      release: async ({ name }) => void log.push(`released ${name}`),
    },
    store: { unfinished: async () => unfinished },
    children: () => ({
      addChild: ({ id }) => void log.push(`started ${id}`),
      removeChild: async (id) => void log.push(`stopped ${id}`),
    }),
    treeOf: ({ name }) => supervisor({ id: `destination:${name}`, strategy: "one_for_all", children: [] }),
    async prepareEdge() {
      if (faults.edge) throw new Error("no key");
      return () => void log.push("shown");
    },
    clock,
    logger: recordingLogger(),
  });
  const jobAt = (destination: string) => {
    const progress = { phase: "waiting", destination, isStaged: false };
    return { progress } as unknown as Job;
  };
  return { reloader, log, clock, live, all, unfinished, faults, jobAt };
}

describe("a reload", () => {
  test("starts the actors of a new destination, and shows the rest", async () => {
    const { reloader, log, live } = await setup("a");
    expect((await reloader.reload(await configWith("a", "b"))).isDone).toBe(true);
    expect(log).toEqual(["shown", "started destination:b"]);
    expect([...live.config.destinations.keys()]).toEqual(["a", "b"]);
  });

  test("lets go of what it has opened when another part fails, and changes nothing", async () => {
    const { reloader, log, live, faults } = await setup("a");
    faults.edge = true;
    expect(await reloader.reload(await configWith("a", "b"))).toEqual({ isDone: false, lines: ["no key"] });
    faults.edge = false;
    faults.open = "c";
    expect(await reloader.reload(await configWith("b", "c"))).toEqual({
      isDone: false,
      lines: ["destinations.c: cannot be built"],
    });
    expect(log).toEqual(["released b", "released b"]);
    expect([...live.config.destinations.keys()]).toEqual(["a"]);
  });

  test("stops a removed destination when its last job is finished, not before", async () => {
    const { reloader, log, clock, all, unfinished, jobAt } = await setup("a", "b");
    unfinished.push(jobAt("b"));
    await reloader.reload(await configWith("a"));
    await clock.advance(120_000);
    expect(all.has("b")).toBe(true);
    unfinished.pop();
    await clock.advance(30_000);
    await settle();
    expect(log).toEqual(["shown", "stopped destination:b", "released b"]);
    expect(all.has("b")).toBe(false);
    expect(clock.pending).toBe(0);
  });

  test("gives no job to a removed destination, even when the picker has thought of it before", async () => {
    const { reloader, live } = await setup("a", "b");
    const request = { jobDir: "/", application: "wc", submitter: "alice" };
    const picked = live.picker.pick(request);
    await reloader.reload(await configWith("b"));
    expect([await picked, await live.picker.pick(request)]).toContain("b");
    expect(await live.picker.pick(request)).toBe("b");
  });

  test("looks no more after what was removed once it is closed", async () => {
    const { reloader, clock } = await setup("a", "b");
    await reloader.reload(await configWith("a"));
    await reloader.close();
    expect(clock.pending).toBe(0);
  });
});
