import { expect, test } from "bun:test";
import type { Change } from "../support/mutated_copy.ts";
import { CELLS, runCell } from "./kill_matrix/cells.ts";
import { memory } from "./kill_matrix/combinations.ts";
import { faultWorld } from "./kill_matrix/fault_world.ts";

interface Mutation {
  readonly fault: string;
  /** Of the kill matrix. */
  readonly cell: string;
  /** Part of what is told about it. */
  readonly finding: string;
  readonly changes: readonly Change[];
}

const SAVE = "this.#job = await this.#save(step.job);";

/** Faults that somebody could make. Each has to be found, else the kill matrix proves nothing. */
const MUTATIONS: readonly Mutation[] = [
  {
    fault: "a cancellation is not saved",
    cell: "before:cancel of a promise",
    finding: "was cancelled, and is ok",
    changes: [
      {
        file: "actors/job_behaviour.ts",
        from: SAVE,
        to: `this.#job = step.job.progress.phase === "cancelling" ? step.job : await this.#save(step.job);`,
      },
    ],
  },
  {
    fault: "effects are started before the step is saved",
    cell: "before:save:finished of a command that has ended",
    finding: "is error with ",
    changes: [
      {
        file: "actors/job_behaviour.ts",
        from: SAVE,
        to: `for (const effect of step.effects) this.#start(effect);\n${SAVE}`,
      },
    ],
  },
  {
    fault: "a job that runs holds no slot after a restart",
    cell: "after:save:running with full slots",
    finding: "commands ran at a time in 2 slots",
    changes: [
      {
        file: "src/core/job.ts",
        from: `    case "running":\n    case "cancelling":\n      return true;`,
        to: `    case "cancelling":\n      return true;`,
      },
    ],
  },
  {
    fault: "a job that is being submitted holds no slot after a restart",
    cell: "after:save:submitting with full slots",
    finding: "commands ran at a time in 2 slots",
    changes: [
      {
        file: "src/core/job.ts",
        from: `    case "submitting":\n    case "queued":\n    case "running":\n    case "cancelling":\n      return true;`,
        to: `    case "queued":\n    case "running":\n    case "cancelling":\n      return true;`,
      },
    ],
  },
  {
    fault: "an attempt that may be under way is not looked for",
    cell: "after:submit",
    finding: "its command was started 2 times",
    changes: [
      {
        file: "adapters/scheduler/local_processes.ts",
        from: "const known = lookUp(tag);",
        to: "const known = undefined;",
      },
      { file: "adapters/scheduler/run_script.ts", from: "\nset -C\n", to: "\n" },
    ],
  },
  {
    fault: "a cancelled job whose submission was not answered is believed absent",
    cell: "after:submit after:find",
    finding: "living processes",
    changes: [
      {
        file: "adapters/scheduler/local_processes.ts",
        from: "return lookUp(tag) ?? (table.isAnyLiving(undefined, false, tag) ? idOf(tag) : lookUp(tag));",
        to: "return undefined;",
      },
    ],
  },
  {
    fault: "the row of a deleted job goes before its files",
    cell: "after:remove-row",
    finding: "directories: ",
    changes: [
      {
        file: "actors/job_effects.ts",
        from: "  await world.files.remove(job.id);\n  await patiently(patience, () => world.store.remove(job.id), signal);",
        to: "  await world.store.remove(job.id);\n  await world.files.remove(job.id);",
      },
    ],
  },
  {
    fault: "uploads that were never accepted are left",
    cell: "before:insert",
    finding: "uploads: ",
    changes: [{ file: "src/assembly.ts", from: "new Set(await leftovers.uploads())", to: "new Set<string>()" }],
  },
];

test.concurrent.each(MUTATIONS.map((mutation) => [mutation.fault, mutation] as const))(
  "the kill matrix finds out when %s",
  async (_fault, { cell, finding, changes }) => {
    const wanted = CELLS.find(({ name }) => name === cell);
    if (wanted === undefined) throw new Error(`There is no cell "${cell}"`);
    await using world = await faultWorld({ ...memory("sqlite"), mutation: changes });
    const broken = await runCell(world, wanted).catch((error: unknown) => [String(error)]);
    expect(broken.join("\n")).toContain(finding);
  },
  300_000,
);
