import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAttemptTag } from "../../../src/core/ids.ts";
import type { FaultWorld } from "./fault_world.ts";
import { mostAlive } from "./ledger.ts";
import type { Account } from "./stories.ts";

/** Their place in the order of a job's life. */
const RANKS: Readonly<Record<string, number>> = { new: 0, queued: 1, running: 2, staging_out: 3, ok: 4, error: 4 };

/** Exit status of a command that was ended. */
const ENDED = 143;

interface Detail {
  readonly state: string;
  readonly reason: string | null;
  readonly returncode: number | null;
}

interface Step {
  readonly version: number;
  readonly state: string;
  readonly phase: string;
  readonly attempt: number;
}

/** What is promised of the job of one account and not kept. */
export async function brokenPromises(world: FaultWorld, account: Account): Promise<readonly string[]> {
  const { id, user, promised, seen } = account;
  const answer = await world.ask(user, "GET", `/api/job/${id}`);
  const broken: string[] = [];
  const check = (isKept: boolean, text: string): void => {
    if (!isKept) broken.push(`job ${id}: ${text}`);
  };
  check(isForward(seen), `its states went back: ${seen.join(", ")}`);
  const lines = world.ledger().filter(({ job }) => job === id);
  const starts = lines.filter(({ what }) => what === "start");
  check(starts.length <= 1, `its command was started ${starts.length} times`);
  if (promised === "deleted") {
    check(answer.status === 404, `is deleted, and still there: ${answer.status}`);
    return broken;
  }
  check(answer.status === 200, `is lost: ${answer.status} ${JSON.stringify(answer.body)}`);
  if (answer.status !== 200) return broken;

  const { state, reason, returncode } = answer.body as Detail;
  const end = lines.find(({ what }) => what === "end");
  check(isForward([...seen, state]), `its states went back: ${seen.join(", ")}, ${state}`);
  if (promised === "cancelled") {
    check(state === "error" && reason === `Cancelled by ${user}`, `was cancelled, and is ${state} for ${reason}`);
    check(end === undefined || end.number === ENDED, "was cancelled, and its command went on to its end");
  } else {
    check(
      starts.length === 1 && end?.number === account.code,
      `its command did not run to its end: ${JSON.stringify(lines)}`,
    );
    const wanted = account.code === 0 ? "ok" : "error";
    check(state === wanted && returncode === account.code, `is ${state} with ${returncode} (${reason}), not ${wanted}`);
  }
  const history = (await world.ask(user, "GET", `/api/job/${id}/history`)).body as readonly Step[];
  const told = history.map(({ state, phase }) => `${state}/${phase}`).join(", ");
  check(
    history.every(({ version }, index) => version === index + 1),
    `steps are missing: ${told}`,
  );
  check(isForward(history.map((step) => step.state)), `its history goes back: ${told}`);
  check(history.filter(({ phase }) => phase === "finished").length === 1, `has not one end: ${told}`);
  check(history.at(-1)?.state === state, `its history ends otherwise: ${told}, ${state}`);
  check(
    starts.every(({ attempt }) => history.some((step) => step.phase === "submitting" && step.attempt === attempt)),
    `was started before that was saved: ${told}`,
  );
  check(existsSync(join(world.jobRoot, `${id}/input.txt`)), "has lost its files");
  return broken;
}

/**
 * What is left over in the database, on the disk or among the processes, or was too many at a time, when all stories are
 * over. What was under way when the daemon died may take a moment to go.
 */
export async function leftovers(world: FaultWorld, accounts: readonly Account[]): Promise<readonly string[]> {
  const kept = accounts.filter(({ promised }) => promised !== "deleted").map(({ id }) => id);
  const ids = [...kept].sort((a, b) => a - b).join(", ");
  const broken: string[] = [];
  const check = (what: string, found: readonly (number | string)[], wanted: string): void => {
    if (found.join(", ") !== wanted) broken.push(`${what}: ${found.join(", ") || "none"}, not ${wanted || "any"}`);
  };
  const rows = await world.sql("select id, state from job order by id");
  const withHistory = await world.sql("select distinct job_id as id from job_history order by job_id");
  const own = join(world.jobRoot, ".bartender");
  check("rows", numbers(rows), ids);
  check("histories", numbers(withHistory), ids);
  check("directories", directoriesOf(world.jobRoot), ids);
  check("uploads", readdirSync(join(own, "uploads")), "");
  check("copies on their way back", readdirSync(join(own, "incoming")), "");
  const { copies, slots = Number.POSITIVE_INFINITY } = world.options;
  if (copies !== undefined) {
    check(
      "remote copies",
      readdirSync(copies.entry).filter((name) => /\d/.test(name)),
      "",
    );
  }
  check("living processes", livingProcesses(world), "");
  const most = mostAlive(world.ledger());
  if (most > slots) broken.push(`${most} commands ran at a time in ${slots} slots`);
  return broken;
}

function numbers(rows: readonly Record<string, unknown>[]): readonly number[] {
  return rows.map(({ id }) => Number(id));
}

function directoriesOf(root: string): readonly number[] {
  const names = readdirSync(root).filter((name) => /^\d+$/.test(name));
  return names.map(Number).sort((a, b) => a - b);
}

function isForward(states: readonly string[]): boolean {
  return states.every((state, index) => (RANKS[states[index - 1] ?? "new"] ?? 9) <= (RANKS[state] ?? -1));
}

/** Processes that carry the mark of an attempt of this daemon, wherever they went. */
function livingProcesses(world: FaultWorld): readonly string[] {
  const instance = parseAttemptTag(world.ledger()[0]?.tag ?? "")?.instanceId;
  if (instance === undefined) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`BARTENDER_ATTEMPT=bartender-${instance}-`);
      } catch {
        // Ended since it was listed.
        return false;
      }
    });
}
