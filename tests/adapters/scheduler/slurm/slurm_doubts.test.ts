import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../../../../adapters/command_runner/local.ts";
import { buildScheduler } from "../../../../adapters/scheduler/build.ts";
import { sshPool } from "../../../../adapters/ssh/ssh_pool.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import type { SchedulerJobId } from "../../../../src/core/ids.ts";
import {
  freshTag,
  jobIn,
  pidsIn,
  STUBBORN,
  signal,
  untilEnded,
  WAITS_FOR_GO,
} from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { idleDirac } from "../../../support/idle_dirac.ts";
import { recordingLogger } from "../../../support/recording_logger.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { numberOf, openSlurmWorld, type SlurmWorld, submit, submitRunning } from "../../../support/slurm_world.ts";
import { sshSurroundings } from "../../../support/ssh_world.ts";
import { tempDir } from "../../../support/temp_dir.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster({ minJobAgeS: 6 });
afterAll(() => cluster[Symbol.asyncDispose]());
beforeEach(() => cluster.ready());

/** An environment in which one of Slurm's programs is a script; the real one is in `/usr/bin`. */
function withProgram(directory: string, name: string, script: string): Readonly<Record<string, string>> {
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { ...cluster.environment, PATH: `${directory}:${cluster.environment.PATH}` };
}

/** A world in which the first answer of a program is lost: a process that cannot be found holds its output. */
function withLostAnswer(directory: string, name: string): SlurmWorld {
  const hold = `mkdir '${directory}/first' 2>/dev/null && (setsid env -i /bin/sleep 300 & echo $! >'${directory}/pid')`;
  const environment = withProgram(directory, name, `${hold}\nexec /usr/bin/${name} "$@"`);
  const runner = localCommandRunner({ clock: systemClock(), logger: recordingLogger(), lastOutputMs: 100 });
  return openSlurmWorld(cluster, { environment, runner });
}

async function endHolder(world: SlurmWorld, directory: string): Promise<void> {
  process.kill(Number(await world.read(directory, "pid")), "SIGKILL");
}

describe.concurrent("a tag runs once", () => {
  test("also when two daemons submit it to Slurm, and both learn the outcome", async () => {
    await using world = openSlurmWorld(cluster);
    const [first, second] = [world.another(), world.another()];
    // Both have looked before either submits.
    await Promise.all([first.find(freshTag(), signal), second.find(freshTag(), signal)]);
    await Promise.all([first, second].map((each) => submitProbe(world, each)));
    const directory = await world.makeDirectory();
    const job = jobIn(directory, "echo once >>ledger; echo $$ >>pids; sleep 1; exit 5");
    const tag = freshTag();
    const ids = [await first.submit(job, tag, signal), await second.submit(job, tag, signal)] as const;
    expect(ids[0]).not.toBe(ids[1]);
    expect(await untilEnded(first, ids[0])).toMatchObject({ returnCode: 5 });
    expect(await untilEnded(second, ids[1])).toMatchObject({ returnCode: 5 });
    expect(await world.read(directory, "ledger")).toBe("once\n");
  });

  test("cancel() ends the job that runs the command, also when the id is that of a later one", async () => {
    await using world = openSlurmWorld(cluster);
    const [first, second] = [world.another(), world.another()];
    await Promise.all([first, second].map((each) => each.find(freshTag(), signal)));
    await Promise.all([first, second].map((each) => submitProbe(world, each)));
    const directory = await world.makeDirectory();
    const [job, tag] = [jobIn(directory, WAITS_FOR_GO), freshTag()];
    await first.submit(job, tag, signal);
    const [pid = 0] = await pidsIn(world, directory, "pids");
    const late = await second.submit(job, tag, signal);
    await eventually("the end of the later job", () =>
      /COMPLETED/.test(cluster.command("squeue", "-h", "-t", "all", "-j", numberOf(late), "-o", "%T")),
    );
    // A daemon that has not seen yet which of them runs the command.
    await world.another().cancel(late, signal);
    expect(await world.isAlive(pid)).toBe(false);
  });

  /** Makes a scheduler take its first look at what is there. */
  async function submitProbe(world: SlurmWorld, scheduler: SlurmWorld["scheduler"]): Promise<void> {
    const id = await scheduler.submit(jobIn(await world.makeDirectory(), "true"), freshTag(), signal);
    await untilEnded(scheduler, id);
  }
});

describe.concurrent("when Slurm has forgotten a job", () => {
  test("its record tells how it ended", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number, directory } = await submitRunning(world);
    await world.write(directory, "go", "");
    await eventually("the end", async () => (await world.read(directory, "returncode")) === "0");
    await cluster.forgets(number);
    const next = await world.reopen();
    expect((await next.statuses([id], signal)).get(id)).toMatchObject({ type: "ended", outcome: { isOk: true } });
  });

  test("one that left nothing keeps its state for a while and is lost then", async () => {
    await using world = openSlurmWorld(cluster, { extraOptions: ["--begin=now+1hour"], lostAfterMs: 1_000 });
    const { id, number } = await submit(world, "true");
    cluster.command("scancel", number);
    await cluster.forgets(number);
    expect(await world.scheduler.statuses([id], signal)).toEqual(new Map());
    const outcome = await untilEnded(world.scheduler, id);
    expect(outcome).toMatchObject({ isOk: false, returnCode: null });
    expect(outcome.reason).toContain(`its number was ${number}`);
  });

  test("another job with its number says nothing about it", async () => {
    await using world = openSlurmWorld(cluster);
    const { number } = await submitRunning(world);
    const foreign = `${number}@${freshTag()}` as SchedulerJobId;
    expect(await world.scheduler.statuses([foreign], signal)).toEqual(new Map());
    await world.scheduler.cancel(foreign, signal);
    expect(cluster.command("squeue", "-h", "-j", number, "-o", "%T").trim()).toBe("RUNNING");
  });
});

describe.concurrent("what is not known", () => {
  test("a job that has started and that Slurm does not know any more is not believed dead", async () => {
    await using world = openSlurmWorld(cluster);
    const id = `987654@${freshTag()}` as SchedulerJobId;
    mkdirSync(world.options.controlDir, { recursive: true });
    writeFileSync(join(world.options.controlDir, id.split("@")[1] ?? ""), '987654 {"directory":"/"}\n');
    const abort = new AbortController();
    const cancelled = world.scheduler.cancel(id, abort.signal).catch((error: unknown) => error);
    // Both are asked after the first look of cancel().
    for (let looks = 0; looks < 2; looks++) expect(await world.scheduler.statuses([id], signal)).toEqual(new Map());
    abort.abort();
    expect(await cancelled).toBeInstanceOf(SchedulerUnavailableError);
  });

  test("a question whose answer was lost on the way is asked again", async () => {
    using bin = tempDir();
    await using world = withLostAnswer(bin.path, "squeue");
    const id = `987653@${freshTag()}` as SchedulerJobId;
    expect(await world.scheduler.statuses([id], signal)).toEqual(new Map());
    await endHolder(world, bin.path);
  });

  test("a submission whose answer was lost on the way is looked up at once", async () => {
    using bin = tempDir();
    await using world = withLostAnswer(bin.path, "sbatch");
    const { id, directory } = await submit(world, "echo once >>ledger; exit 6");
    await endHolder(world, bin.path);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: 6 });
    expect(await world.read(directory, "ledger")).toBe("once\n");
  });

  test("a state that a newer Slurm may have leaves a job as it is, for however long", async () => {
    using bin = tempDir();
    const environment = withProgram(bin.path, "squeue", '/usr/bin/squeue "$@" | sed s/RUNNING/HOVERING/');
    await using world = openSlurmWorld(cluster, { environment, lostAfterMs: 0 });
    const { id, directory } = await submitRunning(world);
    for (let looks = 0; looks < 2; looks++) expect(await world.scheduler.statuses([id], signal)).toEqual(new Map());
    const [pid = 0] = await pidsIn(world, directory, "pids");
    await world.scheduler.cancel(id, signal);
    expect(await world.isAlive(pid)).toBe(false);
  });

  test("a script that was killed while it wrote the return code down leaves one even so", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, directory } = await submit(world, STUBBORN);
    await pidsIn(world, directory, "pids", 2);
    await world.write(directory, "returncode", "");
    await world.scheduler.cancel(id, signal);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: -9 });
    expect(await world.read(directory, "returncode")).toBe("-9");
  });

  test("a job that was put aside after its end is an error, and nobody can let it go any more", async () => {
    await using world = openSlurmWorld(cluster, { extraOptions: ["--requeue"] });
    const { id, number } = await submitRunning(world);
    cluster.command("scontrol", "requeuehold", "State=SpecialExit", number);
    const state = (): string => cluster.command("squeue", "-h", "-t", "all", "-j", number, "-o", "%T").trim();
    await eventually("the job to be put aside", () => state() === "SPECIAL_EXIT");
    expect(await untilEnded(world.scheduler, id)).toEqual({
      isOk: false,
      returnCode: null,
      reason: "Slurm: SPECIAL_EXIT, the job was put aside after it had ended",
    });
    expect(state()).toBe("CANCELLED");
  });
});

test("destinations of one cluster ask it one at a time", async () => {
  using bin = tempDir();
  const place = join(bin.path, "asking");
  const script = `mkdir '${place}' || echo >>'${place}.twice'; sleep 0.1; /usr/bin/squeue "$@"; s=$?; rmdir '${place}'; exit $s`;
  const environment = withProgram(bin.path, "squeue", script);
  await using world = openSlurmWorld(cluster, { environment });
  const { id, directory } = await submitRunning(world);
  const { options } = world;
  const surroundings = { ...options, ssh: sshPool(sshSurroundings()), dirac: idleDirac(), cgroups: undefined };
  const destinations = await Promise.all(
    [1, 2, 3].map(() =>
      buildScheduler(
        { scheduler: { ...options, type: "slurm", ssh: undefined }, fileSystem: { type: "local" } },
        surroundings,
      ),
    ),
  );
  const answers = await Promise.all(destinations.map((each) => each.statuses([id], signal)));
  for (const answer of answers) expect(answer.get(id)).toEqual({ type: "running" });
  expect(await world.read(bin.path, "asking.twice")).toBeUndefined();
  await world.write(directory, "go", "");
  expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  for (const each of destinations) await each.close();
});
