import { afterAll, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../adapters/clock/system_clock.ts";
import { sshCommandRunner } from "../../../../adapters/command_runner/ssh.ts";
import { SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { schedulerSuite } from "../../../conformance/scheduler_suite.ts";
import { freshTag, jobIn, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSlurmCluster } from "../../../support/slurm_cluster.ts";
import { openSlurmWorld, SLURM_WAIVERS, type SlurmWorld } from "../../../support/slurm_world.ts";
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
  startsWithinMs: 20_000,
  isConcurrent: true,
  waivers: SLURM_WAIVERS,
});

test.each([
  ["before Slurm has the job", 'touch "$0.begun"; until [ -e "$0.go" ]; do sleep 0.1; done; exec /usr/bin/sbatch "$@"'],
  ["when Slurm has the job", '/usr/bin/sbatch "$@"; touch "$0.begun"; sleep 300'],
])("a link that is lost in the middle of a submission, %s, costs nothing, and the job runs once", async (_, script) => {
  const bin = join(server.entry, `bin ${++worlds}`);
  mkdirSync(bin);
  chownSync(bin, account.uid, account.gid);
  const program = join(bin, "sbatch");
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await using world = open({ PATH: `${bin}:/usr/bin:/bin` });
  await using next = open();
  const directory = await world.makeDirectory();
  const job = jobIn(directory, "echo once >>ledger; exit 6");
  const tag = freshTag();
  const lost = world.scheduler.submit(job, tag, signal).catch((error: unknown) => error);
  await eventually("the submission to begin", () => existsSync(`${program}.begun`));
  server.killSessions();
  const first = await lost;
  writeFileSync(`${program}.go`, "");
  const id = await eventually("an answer", () =>
    next.scheduler.submit(job, tag, signal).catch((error: unknown) => {
      if (error instanceof SchedulerUnavailableError) return undefined;
      throw error;
    }),
  );
  // Where the link was back at once the job could be looked up.
  if (!(first instanceof SchedulerUnavailableError)) expect(first).toBe(id);
  expect(await untilEnded(next.scheduler, id)).toMatchObject({ returnCode: 6 });
  expect(await world.read(directory, "ledger")).toBe("once\n");
});
