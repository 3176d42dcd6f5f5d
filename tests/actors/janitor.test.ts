import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CleanUpReport } from "../../actors/clean_up.ts";
import { StoreUnavailableError } from "../../src/core/errors.ts";
import { attemptTag, type JobId, jobId } from "../../src/core/ids.ts";
import type { Phase } from "../../src/core/job.ts";
import type { RetentionRules } from "../../src/core/retention.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { newJob } from "../conformance/job_store_samples.ts";
import { type ActorWorld, actorWorld } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { progressIn } from "../support/job_builder.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const INTERVALS = { firstMs: 60_000, everyMs: 10 * 60_000 };
const FOR_EVER: RetentionRules = { defaultMs: null, applicationMs: new Map() };

interface JanitorWorld extends ActorWorld {
  /** Lets `ms` pass, and half an hour in which there are rounds, and tells what all rounds together did. */
  roundAfter(ms: number): Promise<CleanUpReport>;
}

/** The real janitor with real files and their real ages, which are young: so it is the clock that goes on. */
async function setup(
  options: { readonly retention?: RetentionRules; readonly wrapStore?: (store: JobStore) => JobStore } = {},
): Promise<JanitorWorld> {
  const reports: CleanUpReport[] = [];
  const { retention = FOR_EVER, wrapStore } = options;
  const world = await actorWorld({
    destinations: { here: { scheduler: controlledScheduler() } },
    startMs: performance.timeOrigin + performance.now(),
    janitor: { retention: () => retention, intervals: INTERVALS, onRound: (report) => void reports.push(report) },
    ...(wrapStore === undefined ? {} : { wrapStore }),
  });
  return Object.assign(world, {
    async roundAfter(ms: number) {
      const before = reports.length;
      await world.clock.advance(ms);
      // The first of these may have begun before; of the second everything is seen.
      const enough = reports.length + 2;
      while (reports.length < enough) {
        const seen = reports.length;
        await world.clock.advance(INTERVALS.everyMs);
        // A round may pause; however long its real work takes, little time passes.
        await world.eventually(async () => {
          await world.clock.advance(50);
          return reports.length > seen;
        });
      }
      const sum = { ...NOTHING };
      for (const report of reports.slice(before)) {
        for (const [key, count] of Object.entries(report)) sum[key as keyof CleanUpReport] += count;
      }
      return sum;
    },
  });
}

const NOTHING = { uploads: 0, directories: 0, orphans: 0, incoming: 0, records: 0, resumed: 0, jobs: 0, faults: 0 };

/** Adds a job in `phase` that has no actor. */
async function rowIn(world: ActorWorld, phase: Phase, application = "echo", nowMs?: number): Promise<JobId> {
  const onMs = nowMs ?? world.clock.nowMs();
  const job = await world.store.insert(newJob({ application }), onMs);
  const finishedOnMs = phase === "finished" ? onMs : null;
  const placement = { destination: "here", isStaged: false };
  await world.store.save({ ...job, progress: progressIn(phase, placement), finishedOnMs }, onMs);
  mkdirSync(join(world.jobRootDir, String(job.id)));
  return job.id;
}

/** The store with one method of another behaviour. */
function replaced<Name extends keyof JobStore>(store: JobStore, name: Name, method: JobStore[Name]): JobStore {
  return new Proxy(store, {
    get(target, asked) {
      if (asked === name) return method;
      const value = Reflect.get(target, asked, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const dirs = (path: string) => (existsSync(path) ? readdirSync(path).sort() : []);

describe("the janitor and uploads", () => {
  test("at its start removes those of earlier daemons, but for accepted ones", async () => {
    await using world = await setup();
    await world.store.insert(newJob({ upload: "wanted" }), world.clock.nowMs());
    for (const name of ["wanted", "stale"]) mkdirSync(join(world.uploadDir, name));
    writeFileSync(join(world.uploadDir, "half.zip"), "half");
    await world.restart();
    await world.eventually(() => !existsSync(join(world.uploadDir, "stale")));
    await world.eventually(() => !existsSync(join(world.uploadDir, "half.zip")));
    // The job was recovered and has taken it.
    await world.eventually(() => existsSync(join(world.jobRootDir, "1")));
  });

  test("later removes only those that nothing happened to for a day", async () => {
    await using world = await setup();
    mkdirSync(join(world.uploadDir, "u9"));
    expect(await world.roundAfter(HOUR_MS)).toEqual(NOTHING);
    expect(dirs(world.uploadDir)).toEqual(["u9"]);
    expect(await world.roundAfter(DAY_MS)).toEqual({ ...NOTHING, uploads: 1 });
    expect(dirs(world.uploadDir)).toEqual([]);
  });
});

describe("the janitor and directories without a job", () => {
  test("sets them aside after a day and removes them a week later", async () => {
    await using world = await setup();
    mkdirSync(join(world.jobRootDir, "1"));
    await world.store.remove((await world.store.insert(newJob(), 0)).id);
    await rowIn(world, "finished");
    expect(await world.roundAfter(20 * HOUR_MS)).toEqual(NOTHING);
    expect(await world.roundAfter(5 * HOUR_MS)).toEqual({ ...NOTHING, directories: 1 });
    expect(dirs(world.jobRootDir)).toEqual(["2"]);
    expect(dirs(world.orphanDir)).toEqual(["1"]);
    expect(await world.roundAfter(6 * DAY_MS - 25 * HOUR_MS)).toEqual(NOTHING);
    expect(await world.roundAfter(2 * DAY_MS)).toEqual({ ...NOTHING, orphans: 1 });
    expect(dirs(world.orphanDir)).toEqual([]);
  });

  test("leaves alone what has a row, whatever it says, and what is not named by a plain number", async () => {
    await using world = await setup();
    await rowIn(world, "finished");
    const broken = await rowIn(world, "finished");
    await world.store.rename(broken, "x".repeat(10));
    for (const name of ["007", "0", "-1", "1.old", "1e3", ".bartender", "99999999999"]) {
      mkdirSync(join(world.jobRootDir, name));
    }
    await rowIn(world, "finished");
    expect(await world.roundAfter(2 * DAY_MS)).toEqual(NOTHING);
  });

  test("leaves alone numbers above all jobs: the database may have lost its newest", async () => {
    await using world = await setup();
    await rowIn(world, "finished");
    mkdirSync(join(world.jobRootDir, "17"));
    expect(await world.roundAfter(2 * DAY_MS)).toEqual(NOTHING);
    expect(dirs(world.jobRootDir)).toEqual(["1", "17"]);
  });

  test("leaves them all alone in a job root that was used with another database", async () => {
    await using world = await setup();
    writeFileSync(join(world.jobRootDir, "../database"), "anotherone\n");
    mkdirSync(join(world.jobRootDir, "1"));
    await world.store.remove((await world.store.insert(newJob(), 0)).id);
    await rowIn(world, "finished");
    expect(await world.roundAfter(2 * DAY_MS)).toEqual(NOTHING);
    expect(world.logger.lines.some(({ message }) => message.includes("used with another database"))).toBe(true);
  });

  test("unlinks a linked one and never follows the link", async () => {
    await using world = await setup();
    const elsewhere = join(world.jobRootDir, "../elsewhere");
    mkdirSync(join(elsewhere, "deep"), { recursive: true });
    symlinkSync(elsewhere, join(world.jobRootDir, "1"));
    await world.store.remove((await world.store.insert(newJob(), 0)).id);
    await rowIn(world, "finished");
    expect(await world.roundAfter(2 * DAY_MS)).toEqual({ ...NOTHING, directories: 1 });
    expect(dirs(elsewhere)).toEqual(["deep"]);
    expect(dirs(world.jobRootDir)).toEqual(["2"]);
    expect(dirs(world.orphanDir)).toEqual([]);
  });

  test("finds them among more rows than are read at a time", async () => {
    await using world = await setup();
    const nowMs = world.clock.nowMs();
    const jobs = await Promise.all(Array.from({ length: 4_100 }, () => world.store.insert(newJob(), nowMs)));
    const finished = progressIn("finished", { destination: "here", isStaged: false });
    await Promise.all(jobs.map((job) => world.store.save({ ...job, progress: finished, finishedOnMs: nowMs }, nowMs)));
    const lost = [1, 2000, 2001, 2002, 4000, 4099];
    for (const id of lost) {
      mkdirSync(join(world.jobRootDir, String(id)));
      await world.store.remove(jobId(id));
    }
    for (const id of [3, 1999, 4001, 4100]) mkdirSync(join(world.jobRootDir, String(id)));
    expect(await world.roundAfter(2 * DAY_MS)).toEqual({ ...NOTHING, directories: lost.length });
    expect(dirs(world.orphanDir)).toEqual(lost.map(String).sort());
  });

  test("looks again for each one's row right before it acts", async () => {
    // As if the list of rows had been read before the job was submitted.
    const wrapStore = (store: JobStore): JobStore =>
      replaced(store, "ids", async (after: JobId, limit: number) =>
        (await store.ids(after, limit)).filter((id) => limit === 1 || id !== 1),
      );
    await using world = await setup({ wrapStore });
    await rowIn(world, "finished");
    await rowIn(world, "finished");
    expect(await world.roundAfter(2 * DAY_MS)).toEqual(NOTHING);
    expect(dirs(world.jobRootDir)).toEqual(["1", "2"]);
  });
});

describe("the janitor and records of attempts", () => {
  test("removes those of jobs that are finished or gone, with their scripts", async () => {
    await using world = await setup();
    const finished = await rowIn(world, "finished");
    const running = await rowIn(world, "running");
    const tag = (id: JobId) => attemptTag(world.store.instanceId, id, 1);
    const kept = [tag(running), attemptTag("someoneelse", finished, 1), "bartender-note", "README"];
    for (const name of [tag(finished), `${tag(finished)}.sh`, tag(jobId(99)), `${tag(jobId(98))}.sh.new`, ...kept]) {
      writeFileSync(join(world.controlDir, name), "");
    }
    const first = await world.roundAfter(30 * 60_000);
    expect(first.records).toBe(0);
    expect((await world.roundAfter(HOUR_MS)).records).toBe(3);
    expect(dirs(world.controlDir)).toEqual([...kept].sort());
  });
});

describe("the janitor and output that is being copied back", () => {
  test("removes that of jobs that are finished or gone", async () => {
    await using world = await setup();
    const finished = await rowIn(world, "finished");
    const running = await rowIn(world, "running");
    for (const name of [finished, running, 99, "notes"]) {
      mkdirSync(join(world.incomingDir, String(name)), { recursive: true });
    }
    expect((await world.roundAfter(2 * HOUR_MS)).incoming).toBe(2);
    expect(dirs(world.incomingDir)).toEqual([String(running), "notes"]);
  });
});

describe("the janitor and jobs without an actor", () => {
  test("takes them up", async () => {
    await using world = await setup();
    const deleting = await rowIn(world, "deleting");
    const waiting = await rowIn(world, "waiting");
    expect(await world.roundAfter(0)).toEqual({ ...NOTHING, resumed: 2 });
    await world.eventually(async () => (await world.store.get(deleting)) === undefined);
    expect(existsSync(join(world.jobRootDir, String(deleting)))).toBe(false);
    await world.until(waiting, "queued");
  });

  test("leaves those alone that are only just being submitted", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wrapStore = (store: JobStore): JobStore =>
      new Proxy(store, {
        get(target, name) {
          const value = Reflect.get(target, name, target);
          if (name !== "insert") return typeof value === "function" ? value.bind(target) : value;
          return async (...of: Parameters<JobStore["insert"]>) => {
            const job = await target.insert(...of);
            await promise;
            return job;
          };
        },
      });
    await using world = await setup({ wrapStore });
    const submitted = world.submit();
    await world.eventually(async () => (await world.store.ids(jobId(0), 1)).length === 1);
    expect(await world.roundAfter(HOUR_MS)).toEqual(NOTHING);
    resolve();
    await world.until((await submitted).id, "queued");
  });
});

describe("retention", () => {
  const rules = (defaultMs: number | null, ...of: [string, number][]): RetentionRules => ({
    defaultMs,
    applicationMs: new Map(of),
  });

  test("is off by default", async () => {
    await using world = await setup();
    await rowIn(world, "finished");
    expect(await world.roundAfter(10 * DAY_MS)).toEqual(NOTHING);
  });

  test("deletes finished jobs with their files when their time is over, and no others", async () => {
    await using world = await setup({ retention: rules(30 * DAY_MS, ["long", 90 * DAY_MS]) });
    const ago = (days: number) => world.clock.nowMs() - days * DAY_MS;
    const kept = [
      await rowIn(world, "finished", "echo", ago(29)),
      await rowIn(world, "finished", "long", ago(31)),
      (await world.submit()).id,
    ];
    const gone = [
      await rowIn(world, "finished", "echo", ago(31)),
      await rowIn(world, "finished", "no longer configured", ago(31)),
      await rowIn(world, "finished", "long", ago(91)),
    ];
    expect(await world.roundAfter(0)).toEqual({ ...NOTHING, jobs: 3 });
    for (const id of gone) expect(await world.store.get(id)).toBeUndefined();
    expect(dirs(world.jobRootDir)).toEqual(kept.map(String).sort());
    expect(await world.store.ids(jobId(0), 10)).toEqual(kept);
  });

  test("of one application leaves the others alone", async () => {
    await using world = await setup({ retention: rules(null, ["short", DAY_MS]) });
    const longAgoMs = world.clock.nowMs() - 2 * DAY_MS;
    const kept = await rowIn(world, "finished", "echo", longAgoMs);
    await rowIn(world, "finished", "short", longAgoMs);
    expect(await world.roundAfter(0)).toEqual({ ...NOTHING, jobs: 1 });
    expect(await world.store.ids(jobId(0), 10)).toEqual([kept]);
  });

  test("goes through many in small batches with pauses", async () => {
    await using world = await setup({ retention: rules(DAY_MS) });
    const left = async () => (await world.store.ids(jobId(0), 100)).length;
    const longAgoMs = world.clock.nowMs() - 2 * DAY_MS;
    for (let count = 0; count < 50; count++) await rowIn(world, "finished", "echo", longAgoMs);
    const step = 100;
    const times: number[] = [];
    for (let before = 50; before > 0; ) {
      await world.clock.advance(step);
      await world.eventually(async () => (await world.store.unfinished(jobId(0), 100)).length === 0);
      const now = await left();
      expect(before - now).toBeLessThanOrEqual(20);
      if (now < before) times.push(world.clock.monotonicMs());
      before = now;
    }
    // Three batches, two pauses; the first batch may be seen one step late.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(2_000 - step);
  });

  test("does not believe a clock that is set forward while it runs", async () => {
    await using world = await setup({ retention: rules(DAY_MS) });
    const id = await rowIn(world, "finished");
    world.clock.step(365 * DAY_MS);
    expect((await world.roundAfter(HOUR_MS)).jobs).toBe(0);
    expect(await world.store.get(id)).toBeDefined();
  });
});

describe("a store that is away", () => {
  test("keeps the janitor from removing anything, and the next round catches up", async () => {
    let isAway = false;
    const fail = async (): Promise<never> => {
      throw new StoreUnavailableError("planted fault");
    };
    const wrapStore = (store: JobStore): JobStore =>
      new Proxy(store, {
        get(target, name) {
          const value = Reflect.get(target, name, target);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => (isAway ? fail() : value.apply(target, args));
        },
      });
    await using world = await setup({ retention: { defaultMs: DAY_MS, applicationMs: new Map() }, wrapStore });
    mkdirSync(join(world.jobRootDir, "1"));
    await world.store.remove((await world.store.insert(newJob(), 0)).id);
    await rowIn(world, "finished");
    mkdirSync(join(world.uploadDir, "u9"));
    writeFileSync(join(world.controlDir, attemptTag(world.store.instanceId, jobId(1), 1)), "");
    isAway = true;
    const round = await world.roundAfter(2 * DAY_MS);
    expect(round).toEqual({ ...NOTHING, faults: round.faults });
    expect(round.faults).toBeGreaterThanOrEqual(5);
    expect([dirs(world.jobRootDir), dirs(world.uploadDir)]).toEqual([["1", "2"], ["u9"]]);
    isAway = false;
    expect(await world.roundAfter(0)).toEqual({ ...NOTHING, uploads: 1, directories: 1, records: 1, jobs: 1 });
  });
});
