import { afterAll, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../adapters/clock/system_clock.ts";
import { sshCommandRunner } from "../../../../adapters/command_runner/ssh.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { schedulerSuite } from "../../../conformance/scheduler_suite.ts";
import { freshTag, jobIn, pidsIn, signal, untilEnded, WAITS_FOR_GO } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld, SLURM_WAIVERS, type SlurmWorld, submitRunning } from "../../../support/slurm_world.ts";
import { sshAccount, sshServer } from "../../../support/ssh_server.ts";
import { PATIENT, sshConnection } from "../../../support/ssh_world.ts";

const cluster = await startSlurmCluster();
const account = sshAccount();
const server = await sshServer({
  account,
  settings: [`SetEnv SLURM_CONF=${cluster.environment.SLURM_CONF}`, "MaxStartups 100"],
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  account[Symbol.dispose]();
});
let worlds = 0;
/** One for all, as on a real cluster. */
const controlDir = join(server.entry, ".bartender", "attempts");

/** A scheduler with a connection of its own. */
function open(environment: Readonly<Record<string, string>> = {}): SlurmWorld {
  const link = sshConnection(server.config, PATIENT);
  const directory = join(server.entry, `world ${++worlds}`);
  mkdirSync(directory);
  chownSync(directory, account.uid, account.gid);
  const runner = sshCommandRunner({ connection: link.connection, clock: systemClock() });
  const world = openSlurmWorld(cluster, { runner, environment, controlDir }, { directory, owner: account });
  return {
    ...world,
    get scheduler() {
      return world.scheduler;
    },
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      link[Symbol.dispose]();
    },
  };
}

schedulerSuite("slurm, commands over SSH as an ordinary user", async () => open(), {
  startsWithinMs: 60_000,
  isConcurrent: true,
  waivers: SLURM_WAIVERS,
});

/** A way over which one of Slurm's programs is a script; the real one is in `/usr/bin`. */
function withProgram(name: string, script: string) {
  const bin = join(server.entry, `bin ${++worlds}`);
  mkdirSync(bin);
  chownSync(bin, account.uid, account.gid);
  const program = join(bin, name);
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return {
    environment: { PATH: `${bin}:/usr/bin:/bin` },
    begun: () => eventually(`${name} to begin`, () => existsSync(`${program}.begun`)),
    letGo: () => writeFileSync(`${program}.go`, ""),
  };
}

const waitsBefore = (name: string): string =>
  `touch "$0.begun"; until [ -e "$0.go" ]; do sleep 0.1; done; exec /usr/bin/${name} "$@"`;
const waitsAfter = (name: string): string =>
  `/usr/bin/${name} "$@"; touch "$0.begun"; until [ -e "$0.go" ]; do sleep 0.1; done`;

/** A job that runs, and was submitted over a link that is closed again. */
async function submitEarlier() {
  await using world = open();
  return await submitRunning(world);
}

function failsOrAnswers<T>(call: Promise<T>): Promise<T | "unanswered"> {
  return call.catch((error: unknown) => {
    if (error instanceof SchedulerUnavailableError) return "unanswered";
    throw error;
  });
}

test.each([
  ["before Slurm has the job", waitsBefore("sbatch")],
  ["when Slurm has the job", waitsAfter("sbatch")],
])("a link that is lost in the middle of a submission, %s, costs nothing, and the job runs once", async (_, script) => {
  const program = withProgram("sbatch", script);
  await using world = open(program.environment);
  await using next = open();
  const directory = await world.makeDirectory();
  const job = jobIn(directory, "echo once >>ledger; exit 6");
  const tag = freshTag();
  const lost = failsOrAnswers(world.scheduler.submit(job, tag, signal));
  await program.begun();
  server.killSessions();
  const first = await lost;
  program.letGo();
  const id = await eventually("an answer", async () => {
    const answer = await failsOrAnswers(next.scheduler.submit(job, tag, signal));
    return answer !== "unanswered" && answer;
  });
  // Where the link was back at once the job could be looked up.
  if (first !== "unanswered") expect(first).toBe(id);
  expect(await untilEnded(next.scheduler, id)).toMatchObject({ returnCode: 6 });
  expect(await world.read(directory, "ledger")).toBe("once\n");
});

test.each([
  ["before Slurm has answered", waitsBefore("squeue")],
  ["when Slurm has answered", waitsAfter("squeue")],
])("a link that is lost in the middle of a question for states, %s, says nothing about a job", async (_, script) => {
  const program = withProgram("squeue", script);
  const { id, directory } = await submitEarlier();
  await using world = open(program.environment);
  const lost = failsOrAnswers(world.scheduler.statuses([id], signal));
  await program.begun();
  server.killLinks();
  program.letGo();
  const answer = await lost;
  // Where the link was back at once it was asked again.
  if (answer !== "unanswered") expect(answer.get(id)).toEqual({ type: "running" });
  await world.write(directory, "go", "");
  await using next = open();
  expect(await untilEnded(next.scheduler, id)).toMatchObject({ isOk: true });
});

test.each([
  ["before Slurm ends the job", waitsBefore("scancel")],
  ["when Slurm ends the job", waitsAfter("scancel")],
])("a link that is lost in the middle of a cancellation, %s, leaves nothing running", async (_, script) => {
  const program = withProgram("scancel", script);
  await using world = open(program.environment);
  const directory = await world.makeDirectory();
  const id = await world.scheduler.submit(jobIn(directory, WAITS_FOR_GO), freshTag(), signal);
  const [pid = 0] = await pidsIn(world, directory, "pids");
  const lost = failsOrAnswers(world.scheduler.cancel(id, signal));
  await program.begun();
  server.killSessions();
  program.letGo();
  if ((await lost) === "unanswered") {
    const cancel = () => failsOrAnswers(world.scheduler.cancel(id, signal));
    await eventually("the next one", async () => (await cancel()) !== "unanswered");
  }
  expect(await world.isAlive(pid)).toBe(false);
});
