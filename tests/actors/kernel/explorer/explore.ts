import { checkTrace } from "./check_trace.ts";
import { programOf } from "./generate_program.ts";
import type { Program } from "./program.ts";
import { runProgram } from "./run_program.ts";
import { shrink } from "./shrink.ts";
import { type Entry, Violation } from "./trace.ts";

/** A program that broke a guarantee. */
export interface Finding {
  readonly seed: number;
  readonly program: Program;
  readonly violation: Violation;
}

/** Runs the programs of `count` seeds from `firstSeed`. @returns the first that breaks a guarantee, if any. */
export async function explore(firstSeed: number, count: number): Promise<Finding | undefined> {
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const program = programOf(seed);
    const violation = await violationOf(program);
    if (violation !== undefined) return { seed, program, violation };
  }
  return undefined;
}

/** The finding in one line. */
export function summaryOf({ seed, violation }: Finding): string {
  return `seed ${seed} breaks "${violation.message}"`;
}

/** Shrinks the program as far as it still breaks the same guarantee. @returns it, and what was seen, for people. */
export async function reportOf(finding: Finding): Promise<string> {
  const { guarantee } = finding.violation;
  const program = await shrink(
    finding.program,
    async (smaller) => (await violationOf(smaller))?.guarantee === guarantee,
  );
  return [
    summaryOf(finding),
    `Run it again with BARTENDER_SEED=${finding.seed}. Shrunk to:`,
    JSON.stringify(program, null, 1),
    `which breaks "${(await violationOf(program))?.message}". What was seen:`,
    ...(await runProgram(program)).map(lineOf),
  ].join("\n");
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
