import { describe, expect, test } from "bun:test";
import { type Change, runMutated } from "../support/mutated_copy.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { noSmallDiskBecause } from "../support/small_disk.ts";
import { memory } from "./kill_matrix/combinations.ts";
import { faultWorld } from "./kill_matrix/fault_world.ts";
import { dieWithoutDatabase } from "./kill_matrix/outages.ts";

/** Four daemons, each with a database server, die and come back at the same time. */
const TIMEOUT_MS = 300_000;

const SAVE = "this.#job = await this.#save(step.job);";

/** Faults that somebody could make. Each has to be found, else the outages prove nothing. */
const MUTATIONS: readonly { readonly fault: string; readonly finding: string; readonly change: Change }[] = [
  {
    fault: "a step counts as saved while the database is away",
    finding: "is error with ",
    change: {
      file: "actors/job_behaviour.ts",
      from: "return patiently(patienceOf(this.#ctx, this.#options), () => this.#world.store.save(job, this.#nowMs(job)));",
      to: "return this.#world.store.save(job, this.#nowMs(job)).catch(() => job);",
    },
  },
  {
    fault: "effects are started before the step is saved",
    finding: "is error with ",
    change: {
      file: "actors/job_behaviour.ts",
      from: SAVE,
      to: `for (const effect of step.effects) this.#start(effect);\n${SAVE}`,
    },
  },
  {
    fault: "a job that runs holds no slot after a restart",
    finding: "commands ran at a time in 2 slots",
    change: {
      file: "src/core/job.ts",
      from: `    case "running":\n    case "cancelling":\n      return true;`,
      to: `    case "cancelling":\n      return true;`,
    },
  },
];

describe("a daemon that dies while its database is away", () => {
  test.concurrent(
    "keeps every promise",
    async () => {
      await using server = await startPostgres();
      await using world = await faultWorld(memory(server));
      const broken = await dieWithoutDatabase(world, server);
      expect(broken.length === 0 ? "" : `${broken.join("\n")}\n\n${world.daemon.log()}`).toBe("");
    },
    TIMEOUT_MS,
  );

  test.concurrent.each(MUTATIONS.map((mutation) => [mutation.fault, mutation] as const))(
    "is found out when %s",
    async (_fault, { finding, change }) => {
      await using server = await startPostgres();
      await using world = await faultWorld({ ...memory(server), mutation: [change] });
      const broken = await dieWithoutDatabase(world, server).catch((error: unknown) => [String(error)]);
      expect(broken.join("\n")).toContain(finding);
    },
    TIMEOUT_MS,
  );
});

test.skipIf(noSmallDiskBecause() !== undefined)(
  "the test of a full disk finds out when that counts as a fault of the daemon",
  async () => {
    const file = "tests/end_to_end/full_disk.test.ts";
    const change = {
      file: "src/http/free_space.ts",
      from: 'if ("code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")) return true;',
      to: "",
    };
    const sentence = "refuses an upload that does not fit with 507";
    const { status, told } = await runMutated([change], ["test", "--timeout", "60000", file, "-t", sentence], [file]);
    expect(told).toContain(`(fail) a disk of the jobs that is really full > ${sentence}`);
    expect(status).toBe(1);
  },
  TIMEOUT_MS,
);
