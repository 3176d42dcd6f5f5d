import { expect, test } from "bun:test";
import { PHASES } from "../conformance/job_store_samples.ts";
import { FAULTS, INCIDENTS } from "./plan.ts";
import { runSeed } from "./run_seed.ts";

/*
 * BARTENDER_SIM_SEEDS=<n> sets how many runs there are, BARTENDER_SIM_FROM=<n> the seed of the first. A failure prints the
 * seed; `./bartender-sim --seed <n> --trace` tells what happened in its run.
 */

/** Some ten seconds on one core. */
const SEEDS = 5_000;

const from = Number(process.env.BARTENDER_SIM_FROM ?? 1);
const count = Number(process.env.BARTENDER_SIM_SEEDS ?? SEEDS);

test(
  `every accepted job comes to exactly one end, whatever fails, in ${count} simulated worlds from seed ${from}`,
  async () => {
    const broken: string[] = [];
    for (let seed = from; seed < from + count && broken.length < 10; seed++) {
      const { violations } = await runSeed(seed);
      if (violations.length > 0) broken.push(`./bartender-sim --seed ${seed} --trace: ${violations.join("; ")}`);
    }
    expect(broken).toEqual([]);
  },
  60_000 + count * 100,
);

test("the same seed gives the same run, to the last step", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const [first, second]: [string[], string[]] = [[], []];
    await runSeed(seed, (line) => first.push(line));
    await runSeed(seed, (line) => second.push(line));
    expect(second).toEqual(first);
    expect(first.length).toBeGreaterThan(10);
  }
});

test("a few hundred worlds meet every fault, every incident, every phase and every end", async () => {
  const met = new Set<string>();
  for (let seed = 1; seed <= 500; seed++) for (const name of (await runSeed(seed)).met) met.add(name);
  const all = [...FAULTS, ...INCIDENTS, ...PHASES, "ok", "error", "removed", "rerun"];
  expect(all.filter((name) => !met.has(name))).toEqual([]);
}, 60_000);
