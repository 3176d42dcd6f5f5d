import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startDaemon } from "../support/daemon_process.ts";
import { type PostgresServer, startPostgres } from "../support/postgres_server.ts";
import { type SshAccount, type SshServer, sshAccount, sshServer } from "../support/ssh_server.ts";
import { tempDir } from "../support/temp_dir.ts";
import { CELLS, type Cell, COPY_CELLS, runCell, SCHEDULER_CELLS, storeCellsOf } from "./kill_matrix/cells.ts";
import { copied, eager, memory } from "./kill_matrix/combinations.ts";
import { type FaultWorldOptions, faultWorld } from "./kill_matrix/fault_world.ts";
import type { Account } from "./kill_matrix/stories.ts";

/*
 * BARTENDER_POINT=<point> runs that alone, e.g. `after:save:submitting`; BARTENDER_MATRIX=all runs all points also with
 * the schedulers and databases that differ in few of them.
 */
const only = process.env.BARTENDER_POINT;
const isAll = process.env.BARTENDER_MATRIX === "all";
const wanted = (cells: readonly Cell[]): readonly Cell[] =>
  cells.filter(({ name }) => only === undefined || name === only);
if (wanted([...CELLS, ...COPY_CELLS]).length === 0) throw new Error(`BARTENDER_POINT: there is no point "${only}"`);

let postgres: PostgresServer;
let account: SshAccount;
let ssh: SshServer;
beforeAll(async () => {
  postgres = await startPostgres();
  account = sshAccount();
  ssh = await sshServer({ account });
});
afterAll(async () => {
  await ssh[Symbol.asyncDispose]();
  account[Symbol.dispose]();
  await postgres[Symbol.asyncDispose]();
});

/** One daemon after the other in the same place, so that each also meets what those before have left. */
async function runAll(options: FaultWorldOptions, cells: readonly Cell[]): Promise<void> {
  await using world = await faultWorld(options);
  const known: Account[] = [];
  for (const cell of wanted(cells)) {
    const broken = await runCell(world, cell, known).catch((error: unknown) => [String(error)]);
    if (broken.length > 0) {
      throw new Error(`Killed at ${cell.name}:\n${broken.join("\n")}\n\nThe last daemon said:\n${world.daemon.log()}`);
    }
  }
}

describe("a daemon that is killed at whatever point, and started again, keeps every promise", () => {
  test.concurrent("with SQLite and memory", () => runAll(memory("sqlite"), CELLS), 1_200_000);
  test.concurrent(
    "with PostgreSQL and memory",
    () => runAll(memory(postgres), isAll ? CELLS : storeCellsOf(CELLS)),
    1_200_000,
  );
  test.concurrent("with SQLite and eager", () => runAll(eager("sqlite"), isAll ? CELLS : SCHEDULER_CELLS), 1_200_000);
  if (isAll) test.concurrent("with PostgreSQL and eager", () => runAll(eager(postgres), CELLS), 1_200_000);
  test.concurrent("with SQLite and files that are copied", () => runAll(copied("sqlite", ssh), COPY_CELLS), 1_200_000);
  test.concurrent("with PostgreSQL and files that are copied", async () => {
    const remote = await sshServer({ account });
    try {
      await runAll(copied(postgres, remote), isAll ? COPY_CELLS : storeCellsOf(COPY_CELLS));
    } finally {
      await remote[Symbol.asyncDispose]();
    }
  }, 1_200_000);
});

test("a daemon that is started as usual knows no faults", async () => {
  using faults = tempDir();
  await Bun.write(`${faults.path}/fault`, "kill before:insert");
  await using daemon = await startDaemon({
    config: "job_root_dir: jobs\napplications:\n  quick: {command_template: 'true'}\n",
    env: { FAULTS: faults.path },
  });
  const id = await daemon.submitOk("quick", { "a.txt": "" });
  expect((await daemon.until(id, "ok")).state).toBe("ok");
});
