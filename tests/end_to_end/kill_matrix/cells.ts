import { eventually } from "../../support/eventually.ts";
import type { FaultWorld } from "./fault_world.ts";
import { brokenPromises, leftovers } from "./promise.ts";
import { type Account, CANCEL_STORY, GATED_STORIES, live, STORIES, type Story } from "./stories.ts";

/** What happens to one daemon after the other; the one after the last is well. */
export interface Cell {
  /** The fault points in their order. */
  readonly name: string;
  /** See fault_points.ts; a daemon that hangs is killed as soon as a user has been promised something. */
  readonly faults: readonly string[];
  readonly stories: readonly Story[];
}

/** Calls that every job of the stories passes at a destination that has the daemon's own files. */
const CALLS = [
  ...["insert", "adopt", "save:waiting", "save:submitting", "submit", "statuses", "save:running", "save:finished"],
  ...["forget", "save:cancelling", "cancel", "save:closing", "append-reason"],
  ...["save:deleting", "remove-directory", "remove-row"],
];

/** Calls that belong to files that are copied. */
const COPY_CALLS = ["save:staging_in", "upload", "save:staging_out", "download", "save:closing", "remove-copy"];

const killedAt = (call: string): readonly Cell[] =>
  ["before", "after"].map((side) => {
    const name = `${side}:${call}`;
    return { name, faults: [`kill ${name}`], stories: STORIES };
  });

/** Nobody but the command itself knows that it runs, or that it does not, when its user wants it gone. */
const unansweredSubmissions: readonly Cell[] = [
  ["before:submit", "after:find"],
  ["after:submit", "before:find"],
  ["after:submit", "after:find"],
].map(([hung, killed]) => ({
  name: `${hung} ${killed}`,
  faults: [`hang ${hung}`, `kill ${killed}`],
  stories: [
    { user: "alice", work: "endless", code: 0, wish: "cancel", when: "hung" },
    { user: "bob", work: "endless", code: 0, wish: "delete", when: "hung" },
  ],
}));

/** Cells in which one thing matters, so that nothing else may come first. */
const special: readonly Cell[] = [
  // What waits must not get the slots of commands that run on.
  ...["after:save:submitting", "after:save:running"].map((point) => ({
    ...{ name: `${point} with full slots`, faults: [`kill ${point}`], stories: GATED_STORIES },
  })),
  { name: "before:cancel of a promise", faults: ["hang before:cancel"], stories: [CANCEL_STORY] },
  {
    name: "before:save:finished of a command that has ended",
    faults: ["kill before:save:finished"],
    stories: STORIES.filter(({ wish }) => wish === "wait"),
  },
];

export const CELLS: readonly Cell[] = [...CALLS.flatMap(killedAt), ...unansweredSubmissions, ...special];

/** Those in which the scheduler matters. */
export const SCHEDULER_CELLS: readonly Cell[] = [
  ...["save:submitting", "submit", "statuses", "forget", "cancel"].flatMap(killedAt),
  ...unansweredSubmissions,
];
export const COPY_CELLS: readonly Cell[] = COPY_CALLS.flatMap(killedAt);

/**
 * Of some cells those in which the database matters. What it has when the daemon dies between two calls of the store is the
 * same whichever other call was under way.
 */
export function storeCellsOf(cells: readonly Cell[]): readonly Cell[] {
  return cells.filter(({ faults }) => faults.some((fault) => /:(insert|save:\w+|remove-row)$/.test(fault)));
}

/** How long a daemon may take to come to its fault point. */
const REACHED_WITHIN_MS = 60_000;

/** From the end of all stories to the last call of a port that follows from them, and the death there. */
const LAST_CALL_MS = 10_000;

/** Enough for a daemon that has recovered its jobs to start everything that it should not, also on a busy machine. */
const GATE_OPENS_MS = 2_000;

/** How long what died with the daemon may take to be cleaned up. */
const CLEAN_WITHIN_MS = 15_000;
/** Between two looks at all files, rows and processes. */
const LOOK_AGAIN_MS = 100;

/**
 * Lets users live their stories while the daemon dies at the fault points of a cell.
 *
 * @param known accounts of earlier cells in the same world; those of this one are added
 * @returns what was promised and not kept
 * @throws when a fault point was not reached, or a story does not get to its end
 */
export async function runCell(world: FaultWorld, cell: Cell, known: Account[] = []): Promise<readonly string[]> {
  const accounts: Account[] = [];
  let hasHung = false;
  const isHung = (): boolean => {
    hasHung ||= world.hasReached(cell.faults[0] ?? "");
    return hasHung;
  };
  const stories = (): Promise<unknown> =>
    Promise.all(
      cell.stories.map((story, index) =>
        live(world, story, `${cell.name.replaceAll(" ", "+")}/${index}`, accounts, isHung),
      ),
    );
  let lived: Promise<unknown> | undefined;
  for (const [index, fault] of cell.faults.entries()) {
    world.arm(fault);
    const isUp = index === 0 || (await restarted(world));
    lived ??= stories();
    const isOver = lived.then(async () => {
      // What nobody waits for may come last.
      await Bun.sleep(LAST_CALL_MS);
      throw new Error(`All stories came to their end without the fault "${fault}"`);
    });
    if (fault.startsWith("hang ")) await Promise.race([killWhenPromised(world, accounts, fault), isOver]);
    else if (isUp) await Promise.race([reached(world, fault), isOver]);
    hasHung = true;
    isOver.catch(() => {});
  }
  world.arm(undefined);
  await world.daemon.restart();
  if (cell.stories.some(({ work }) => work === "gated")) await openGate(world, cell, accounts);
  await lived;
  world.setGate(false);
  known.push(...accounts);
  return await verdict(world, accounts, known);
}

/**
 * What is promised of these jobs, and of everything beside, and not kept.
 *
 * @param known all jobs of this world, these included
 */
export async function verdict(
  world: FaultWorld,
  accounts: readonly Account[],
  known: readonly Account[],
): Promise<readonly string[]> {
  const broken = (await Promise.all(accounts.map((account) => brokenPromises(world, account)))).flat();
  let left: readonly string[] = [];
  for (const deadline = Date.now() + CLEAN_WITHIN_MS; Date.now() < deadline; await Bun.sleep(LOOK_AGAIN_MS)) {
    left = await leftovers(world, known);
    if (left.length === 0) break;
  }
  return [...broken, ...left];
}

/** @returns false when the daemon died before it listened */
async function restarted(world: FaultWorld): Promise<boolean> {
  try {
    await world.daemon.restart();
    return true;
  } catch {
    return false;
  }
}

async function reached(world: FaultWorld, fault: string): Promise<void> {
  let stopWaiting = (): void => {};
  const late = new Promise<"none">((resolve) => {
    const timer = setTimeout(() => resolve("none"), REACHED_WITHIN_MS);
    stopWaiting = () => clearTimeout(timer);
  });
  const signal = await Promise.race([world.daemon.died(), late]).finally(() => stopWaiting());
  if (signal !== "SIGKILL") throw new Error(`The daemon did not come to the fault "${fault}"; its end: ${signal}`);
}

/** As soon as all that may run does, and a daemon that starts more than that had the time to. */
async function openGate(world: FaultWorld, cell: Cell, accounts: readonly Account[]): Promise<void> {
  const { slots = cell.stories.length } = world.options;
  await eventually("all submissions", () => accounts.length === cell.stories.length);
  const isOurs = (job: number): boolean => accounts.some(({ id }) => id === job);
  const begun = () => world.ledger().filter(({ what, job }) => what === "start" && isOurs(job)).length;
  await eventually("full slots", () => begun() >= Math.min(slots, cell.stories.length));
  await eventually(
    "the end of the recovery",
    async () => (await world.ask("alice", "GET", "/api/ready")).status === 200,
  );
  await Bun.sleep(GATE_OPENS_MS);
  world.setGate(true);
}

async function killWhenPromised(world: FaultWorld, accounts: readonly Account[], fault: string): Promise<void> {
  await eventually(
    `a promise during "${fault}"`,
    () => world.hasReached(fault) && accounts.some(({ promised }) => promised !== undefined),
  );
  await world.daemon.stop("SIGKILL");
}
