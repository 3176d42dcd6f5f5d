import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SchedulerRefusedError } from "../../../../src/core/errors.ts";
import type { JobResources } from "../../../../src/core/job_resources.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { numberOf, openSlurmWorld, submit } from "../../../support/slurm_world.ts";
import { tempDir } from "../../../support/temp_dir.ts";

setDefaultTimeout(120_000);

const cluster = await startSlurmCluster();
afterAll(() => cluster[Symbol.asyncDispose]());

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
