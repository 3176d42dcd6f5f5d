import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SchedulerRefusedError, SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import type { SchedulerJobId } from "../../../../src/core/ids.ts";
import type { JobResources } from "../../../../src/core/job_resources.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { numberOf, openSlurmWorld, type SlurmWorld, submit, submitRunning } from "../../../support/slurm_world.ts";
import { tempDir } from "../../../support/temp_dir.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster({ minJobAgeS: 6 });
afterAll(() => cluster[Symbol.asyncDispose]());
beforeEach(() => cluster.ready());

describe.concurrent("what Slurm refuses ends the job, with Slurm's own words", () => {
  test("a partition that is not there", async () => {
    await using world = openSlurmWorld(cluster, { partition: "nowhere" });
    const refused = submit(world, "true");
    await expect(refused).rejects.toBeInstanceOf(SchedulerRefusedError);
    await expect(refused).rejects.toThrow(/Invalid partition name specified|invalid partition/);
  });

  test("a time that is none", async () => {
    await using world = openSlurmWorld(cluster, { time: "soon" });
    await expect(submit(world, "true")).rejects.toThrow(/Invalid --time specification/);
  });

  test("an option that Slurm does not know", async () => {
    await using world = openSlurmWorld(cluster, { extraOptions: ["--no-such-option=1"] });
    await expect(submit(world, "true")).rejects.toThrow(/unrecognized option/);
  });

  test("an application with a line break in its name", async () => {
    await using world = openSlurmWorld(cluster);
    const job = { ...jobIn(await world.makeDirectory(), "true"), application: "a\nb" };
    await expect(world.scheduler.submit(job, freshTag(), signal)).rejects.toThrow(/^application: /);
  });
});

describe.concurrent("jobs that are submitted at the same time", () => {
  test("each get their own answer, also beside one that cannot be submitted", async () => {
    await using world = openSlurmWorld(cluster);
    const jobs = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => ({ directory: await world.makeDirectory(), tag: freshTag(), n })),
    );
    const missing = (n: number): string => (n % 7 === 3 ? "/missing" : "");
    const answers = await Promise.allSettled(
      jobs.map(({ directory, tag, n }) =>
        world.scheduler.submit(jobIn(`${directory}${missing(n)}`, `exit ${n}`), tag, signal),
      ),
    );
    for (const [n, answer] of answers.entries()) {
      if (answer.status === "fulfilled") {
        expect((await untilEnded(world.scheduler, answer.value)).returnCode).toBe(n);
      } else {
        expect(missing(n)).toBe("/missing");
        expect(answer.reason).toBeInstanceOf(SchedulerRefusedError);
        expect(answer.reason.message).toContain("its directory cannot be entered");
      }
    }
    expect(answers.filter(({ status }) => status === "rejected").length).toBe(3);
  });

  test("get nothing of each other, nor of the daemon, into their environment", async () => {
    await using world = openSlurmWorld(cluster);
    const ids = await Promise.all(
      [1, 2, 3].map(async () => {
        const directory = await world.makeDirectory();
        const id = await world.scheduler.submit(jobIn(directory, "env"), freshTag(), signal);
        return { directory, id };
      }),
    );
    for (const { directory, id } of ids) {
      await untilEnded(world.scheduler, id);
      const environment = await world.read(directory, "stdout.txt");
      expect(environment).not.toContain("OLDPWD=");
      expect(environment).not.toContain("BARTENDER_ATTEMPT=");
    }
  });

  test("are submitted once each where sbatch is slow", async () => {
    using bin = tempDir();
    const path = join(bin.path, "sbatch");
    writeFileSync(path, '#!/bin/sh\nsleep 0.5; exec /usr/bin/sbatch "$@"\n', { mode: 0o755 });
    const environment = { ...cluster.environment, PATH: `${bin.path}:${cluster.environment.PATH}` };
    await using world = openSlurmWorld(cluster, { environment });
    const directory = await world.makeDirectory();
    const ids = await Promise.all(
      Array.from({ length: 12 }, () => world.scheduler.submit(jobIn(directory, "echo x >>ledger"), freshTag(), signal)),
    );
    expect(new Set(ids).size).toBe(12);
    for (const id of ids) await untilEnded(world.scheduler, id);
    expect(await world.read(directory, "ledger")).toBe("x\n".repeat(12));
  });
});

describe.concurrent("what is configured reaches Slurm", () => {
  test("several extra options, a time and the tag in name and comment", async () => {
    await using world = openSlurmWorld(cluster, { extraOptions: ["--nice=7", "--begin=now+1hour"], time: "00:10:00" });
    const { number, tag, id } = await submit(world, "true");
    const text = cluster.command("scontrol", "show", "job", number, "-o");
    for (const part of [`JobName=${tag}`, `Comment=${tag} conformance`, "Nice=7", "TimeLimit=00:10:00", "Requeue=0"]) {
      expect(text).toContain(part);
    }
    await world.scheduler.cancel(id, signal);
  });

  test("what a job asks for, up to what the destination allows", async () => {
    await using world = openSlurmWorld(cluster, {
      extraOptions: ["--begin=now+1hour"],
      resources: { cpus: 2, memoryMb: 300 },
      limits: { cpus: 8, timeS: 1_800 },
    });
    const shown = async (resources: JobResources): Promise<string> => {
      const job = { ...jobIn(await world.makeDirectory(), "true"), resources };
      const id = await world.scheduler.submit(job, freshTag(), signal);
      const text = cluster.command("scontrol", "show", "job", numberOf(id), "-o");
      await world.scheduler.cancel(id, signal);
      return text;
    };
    const usual = await shown({});
    for (const part of ["CPUs/Task=2", "MinMemoryNode=300M", "TimeLimit=01:00:00"]) expect(usual).toContain(part);
    const wished = await shown({ cpus: 6, memoryMb: 200, timeS: 90 });
    for (const part of ["CPUs/Task=6", "MinMemoryNode=200M", "TimeLimit=00:02:00"]) expect(wished).toContain(part);
    const greedy = await shown({ cpus: 60, memoryMb: 9_999, timeS: 99_999 });
    for (const part of ["CPUs/Task=8", "MinMemoryNode=300M", "TimeLimit=00:30:00"]) expect(greedy).toContain(part);
  });

  test("a configured option wins over what is set by itself", async () => {
    await using world = openSlurmWorld(cluster, { extraOptions: ["--requeue", "--begin=now+1hour"] });
    const { number, id } = await submit(world, "true");
    expect(cluster.command("scontrol", "show", "job", number, "-o")).toContain("Requeue=1");
    await world.scheduler.cancel(id, signal);
  });

  test("the submitter as account, as one argument whatever it holds", async () => {
    await using world = openSlurmWorld(cluster, { isSubmitterAccount: true, extraOptions: ["--begin=now+1hour"] });
    const job = { ...jobIn(await world.makeDirectory(), "true"), submitter: "a 'b' $c --nice=9" };
    const id = await world.scheduler.submit(job, freshTag(), signal);
    const text = cluster.command("scontrol", "show", "job", numberOf(id), "-o");
    expect(text).toContain("Account=a 'b' $c --nice=9");
    expect(text).toContain("Nice=0");
    await world.scheduler.cancel(id, signal);
  });
});

describe.concurrent("how Slurm ends jobs itself", () => {
  test("a job that Slurm will never start says why", async () => {
    await using world = openSlurmWorld(cluster, { time: "10-00:00:00" });
    const { id } = await submit(world, "true");
    const status = await eventually("Slurm's reason", async () => {
      const seen = (await world.scheduler.statuses([id], signal)).get(id);
      return seen?.type === "queued" && seen.note !== undefined && seen;
    });
    expect(status.note).toMatch(/^Slurm: PENDING \(Partition(TimeLimit|Config)\)$/);
    await world.scheduler.cancel(id, signal);
  });

  test("a job beyond its time limit is no success, says so and has a return code", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number, directory } = await submitRunning(world);
    cluster.command("scontrol", "update", `JobId=${number}`, "EndTime=now+1");
    const outcome = await untilEnded(world.scheduler, id, 60_000);
    expect(outcome.isOk).toBe(false);
    expect(outcome.reason).toBe("Slurm: TIMEOUT, the job ran into its time limit");
    expect(outcome.returnCode).toBeLessThan(0);
    expect(await world.read(directory, "returncode")).toBe(String(outcome.returnCode));
  });

  test("a job that somebody else cancels while it runs", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number } = await submitRunning(world);
    cluster.command("scancel", number);
    const outcome = await untilEnded(world.scheduler, id);
    expect(outcome).toEqual({
      isOk: false,
      returnCode: -15,
      reason: "Slurm: CANCELLED, the job was cancelled in Slurm",
    });
  });

  test("a job that is cancelled is no success, also when its command ends well on the signal", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number, directory } = await submit(world, `trap 'exit 0' TERM; ${WAITS_FOR_GO}`);
    await pidsIn(world, directory, "pids");
    cluster.command("scancel", number);
    expect(await untilEnded(world.scheduler, id)).toEqual({
      isOk: false,
      returnCode: 0,
      reason: "Slurm: CANCELLED, the job was cancelled in Slurm",
    });
  });

  test("a job that somebody else cancels before it starts", async () => {
    await using world = openSlurmWorld(cluster, { extraOptions: ["--begin=now+1hour"] });
    const { id, number, directory } = await submit(world, "echo started >ledger");
    expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "queued" });
    cluster.command("scancel", number);
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: false, returnCode: null });
    expect(existsSync(join(directory, "ledger"))).toBe(false);
  });

  test("a suspended job counts as running", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, number, directory } = await submitRunning(world);
    cluster.command("scontrol", "suspend", number);
    expect((await world.scheduler.statuses([id], signal)).get(id)).toEqual({ type: "running" });
    cluster.command("scontrol", "resume", number);
    await world.write(directory, "go", "");
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  });

  describe("where requeueing is configured", () => {
    const options = { extraOptions: ["--requeue"], witnessPatienceMs: 0 };

    /** A job of which Slurm has ended the first run; the next one would end with 4. */
    async function submitRequeued(world: SlurmWorld) {
      const job = await submit(world, "echo x >>ledger; [ -e go ] && exit 4; echo $$ >>pids; sleep 300");
      await pidsIn(world, job.directory, "pids");
      await world.write(job.directory, "go", "");
      cluster.command("scontrol", "requeue", job.number);
      await eventually("the requeued job to wait", () =>
        /PENDING/.test(cluster.command("squeue", "-h", "-j", job.number, "-o", "%T")),
      );
      expect((await world.scheduler.statuses([job.id], signal)).get(job.id)?.type).toBe("queued");
      return job;
    }

    /** Instead of after two minutes; a job may not start on a node in the second in which it was ended there. */
    const startSoon = (number: string) => cluster.command("scontrol", "update", `JobId=${number}`, "StartTime=now+2");

    test("a requeued job starts again, and its last run counts", async () => {
      await using world = openSlurmWorld(cluster, options);
      const { id, number, directory } = await submitRequeued(world);
      startSoon(number);
      expect(await untilEnded(world.scheduler, id, 60_000)).toMatchObject({ isOk: false, returnCode: 4 });
      expect(await world.read(directory, "ledger")).toBe("x\nx\n");
    });

    test("a requeued job that Slurm fails to start again does not end as its first run did", async () => {
      await using world = openSlurmWorld(cluster, options);
      const { id, number, directory } = await submitRequeued(world);
      renameSync(directory, `${directory}.away`);
      startSoon(number);
      expect(await untilEnded(world.scheduler, id, 60_000)).toEqual({
        isOk: false,
        returnCode: null,
        reason: "Slurm: FAILED (JobLaunchFailure), and the command left no return code",
      });
      expect(await world.read(`${directory}.away`, "ledger")).toBe("x\n");
    });

    test("a requeued job that is cancelled before it starts again does not end as its first run did", async () => {
      await using world = openSlurmWorld(cluster, options);
      const { id, number } = await submitRequeued(world);
      cluster.command("scancel", number);
      expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: null });
    });
  });

  test("a job whose node goes down is no success and says so", async () => {
    await using world = openSlurmWorld(cluster, { partition: "main" });
    const { id, number } = await submitRunning(world);
    const node = cluster.command("squeue", "-h", "-j", number, "-o", "%N").trim();
    cluster.command("scontrol", "update", `NodeName=${node}`, "State=DOWN", "Reason=test");
    const outcome = await untilEnded(world.scheduler, id);
    await eventually("the node to be back", () => /idle/.test(cluster.command("sinfo", "-h", "-n", node, "-o", "%t")));
    expect(outcome).toMatchObject({ isOk: false, reason: "Slurm: NODE_FAIL, a node of the job failed" });
  });
});

describe("when the controller does not answer", () => {
  async function expectNoAnswers(calls: readonly Promise<unknown>[]): Promise<void> {
    for (const result of await Promise.allSettled(calls)) {
      expect(result.status === "rejected" && result.reason).toBeInstanceOf(SchedulerUnavailableError);
    }
  }

  /** A controller that was frozen may need a moment more. */
  function untilEndedAfterOutage(scheduler: SlurmWorld["scheduler"], id: SchedulerJobId) {
    return eventually(
      `the end of ${id}`,
      async () => {
        const status = await scheduler.statuses([id], signal).catch((error: unknown) => {
          if (error instanceof SchedulerUnavailableError) return new Map();
          throw error;
        });
        return status.get(id)?.type === "ended" && status.get(id).outcome;
      },
      60_000,
    );
  }

  test("nothing is concluded while it is stopped, and all goes on when it is back", async () => {
    await using world = openSlurmWorld(cluster);
    const { id, directory } = await submitRunning(world);
    await cluster.controller.stop();
    try {
      await expectNoAnswers([
        world.scheduler.statuses([id], signal),
        world.another().cancel(id, signal),
        submit(world, "true"),
      ]);
      await world.write(directory, "go", "");
    } finally {
      await cluster.controller.start();
    }
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ isOk: true });
  });

  test("nothing is concluded while it is frozen, and a submission that it takes up later is found and run once", async () => {
    await using world = openSlurmWorld(cluster);
    const running = await submitRunning(world);
    const directory = await world.makeDirectory();
    const job = jobIn(directory, "echo once >>ledger; exit 3");
    const tag = freshTag();
    cluster.controller.freeze();
    try {
      await expectNoAnswers([
        world.scheduler.submit(job, tag, signal),
        world.scheduler.statuses([running.id], signal),
        world.another().cancel(running.id, signal),
      ]);
    } finally {
      cluster.controller.thaw();
    }
    await world.write(running.directory, "go", "");
    expect(await untilEndedAfterOutage(world.scheduler, running.id)).toMatchObject({ isOk: true });
    const id = await eventually(
      "the second submission",
      () =>
        world.scheduler.submit(job, tag, signal).catch((error: unknown) => {
          if (error instanceof SchedulerUnavailableError) return undefined;
          throw error;
        }),
      60_000,
    );
    expect(await untilEnded(world.scheduler, id)).toMatchObject({ returnCode: 3 });
    expect(await world.read(directory, "ledger")).toBe("once\n");
  });
});

describe.concurrent("a cluster of its own", () => {
  test.each([
    ["a power cut in the middle of jobs loses none", []],
    ["a power cut after which it has forgotten all jobs loses none", ["-c"]],
  ] as const)("%s", async (_, flags) => {
    await using cluster = await startSlurmCluster();
    await using world = openSlurmWorld(cluster);
    const jobs = await Promise.all(Array.from({ length: 5 }, () => submitRunning(world)));
    await cluster.controller.stop("SIGKILL");
    for (const { directory } of jobs) await world.write(directory, "go", "");
    await cluster.controller.start(...flags);
    for (const { id } of jobs) expect(await untilEnded(world.scheduler, id, 60_000)).toMatchObject({ isOk: true });
  });
});
