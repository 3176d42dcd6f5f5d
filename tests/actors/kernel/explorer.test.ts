import { expect, test } from "bun:test";
import { explore, reportOf } from "./explorer/explore.ts";

/*
 * BARTENDER_SEED=<n> runs the program of that seed alone, BARTENDER_PROGRAMS=<n> that many programs. A failure prints the
 * seed, the program shrunk to what still fails, and all that was seen of its run.
 */

/** Programs of the default run; the mutations of `mutations.test.ts` are found within as many. */
const PROGRAMS = 2_500;

const seed = process.env.BARTENDER_SEED;
const firstSeed = Number(seed ?? 1);
const count = seed === undefined ? Number(process.env.BARTENDER_PROGRAMS ?? PROGRAMS) : 1;

test(
  `the kernel keeps its guarantees in ${count} random programs from seed ${firstSeed}`,
  async () => {
    const finding = await explore(firstSeed, count);
    expect(finding && (await reportOf(finding))).toBeUndefined();
  },
  count * 1_000,
);
