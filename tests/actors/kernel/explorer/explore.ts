import { checkTrace } from "./check_trace.ts";
import { programOf } from "./generate_program.ts";
import type { Program } from "./program.ts";
import { runProgram } from "./run_program.ts";
import { shrink } from "./shrink.ts";
import { type Entry, Violation } from "./trace.ts";

/** A program that broke a guarantee. */
export interface Finding {
  readonly seed: number;
  readonly violation: Violation;
  /** Shrunk as far as it still breaks the same guarantee. */
  readonly program: Program;
  readonly text: string;
}

/** Runs the programs of `count` seeds from `firstSeed`. @returns the first that breaks a guarantee, if any. */
export async function explore(firstSeed: number, count: number): Promise<Finding | undefined> {
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const program = programOf(seed);
    const violation = await violationOf(program);
    if (violation !== undefined) return await describe(seed, program, violation);
  }
  return undefined;
}

async function describe(seed: number, program: Program, violation: Violation): Promise<Finding> {
  const { guarantee } = violation;
  const smallest = await shrink(program, async (smaller) => (await violationOf(smaller))?.guarantee === guarantee);
  const last = (await violationOf(smallest)) ?? violation;
  const text = [
    `seed ${seed} breaks "${last.message}"`,
    `Run it again with BARTENDER_SEED=${seed}. Shrunk to:`,
    JSON.stringify(smallest, null, 1),
    "What was seen:",
    ...(await runProgram(smallest)).map(lineOf),
  ].join("\n");
  return { seed, violation: last, program: smallest, text };
}

async function violationOf(program: Program): Promise<Violation | undefined> {
  try {
    checkTrace(program, await runProgram(program));
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}

function lineOf(entry: Entry): string {
  const { atMs, type, ...rest } = entry;
  const facts = "tree" in rest ? "" : JSON.stringify(rest);
  return `${atMs} ms ${type} ${facts}`;
}
