import type { NodePlan, Program, SupervisorPlan } from "./program.ts";

/** How many smaller programs are tried at most. */
const MAX_TRIALS = 2_000;

/** Removes steps and children as long as the rest `fails` in the same way. @returns the smallest program found. */
export async function shrink(program: Program, fails: (smaller: Program) => Promise<boolean>): Promise<Program> {
  let smallest = program;
  let trials = 0;
  for (let hasShrunk = true; hasShrunk; ) {
    hasShrunk = false;
    for (const smaller of smallerPrograms(smallest)) {
      if (trials++ >= MAX_TRIALS) return smallest;
      if (!(await fails(smaller))) continue;
      smallest = smaller;
      hasShrunk = true;
      break;
    }
  }
  return smallest;
}

/** Programs with one thing less, the boldest cuts first. */
function* smallerPrograms({ root, steps }: Program): Generator<Program> {
  for (let size = steps.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from + size <= steps.length; from += size) {
      yield { root, steps: [...steps.slice(0, from), ...steps.slice(from + size)] };
    }
  }
  for (const smaller of smallerTrees(root)) yield { root: smaller, steps };
}

function* smallerTrees(node: SupervisorPlan): Generator<SupervisorPlan> {
  for (const [index, child] of node.children.entries()) {
    const withChild = (replaced: readonly NodePlan[]): SupervisorPlan => ({
      ...node,
      children: [...node.children.slice(0, index), ...replaced, ...node.children.slice(index + 1)],
    });
    yield withChild([]);
    if (child.kind === "supervisor") {
      yield withChild(child.children);
      for (const smaller of smallerTrees(child)) yield withChild([smaller]);
    }
  }
}
