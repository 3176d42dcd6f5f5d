import process from "node:process";
import { parseArgs } from "node:util";
import { runSeed } from "./run_seed.ts";

/*
 * The simulation from the command line; see `./bartender-sim --help`. Exit status 1 when the promise was broken.
 */

const HELP = `Simulates Bartender in a world that fails, delays, reorders and lies, and checks its promise after each run.

  --seeds <n>   how many runs (default: 1000)
  --from <n>    seed of the first (default: 1)
  --seed <n>    this one alone
  --trace       print what happens
  --first       end at the first broken promise
`;

/** After so many runs a line tells how far it is. */
const PROGRESS = 10_000;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    first: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(HELP);
} else {
  process.exitCode = await simulate();
}

async function simulate(): Promise<number> {
  const from = wholeNumber("--from", values.seed ?? values.from);
  const count = values.seed === undefined ? wholeNumber("--seeds", values.seeds) : 1;
  const note = values.trace ? (line: string): void => console.log(line) : undefined;
  let broken = 0;
  let jobs = 0;
  let done = 0;
  for (let seed = from; seed < from + count; seed++) {
    const run = await runSeed(seed, note);
    done += 1;
    jobs += run.jobs;
    if (run.violations.length > 0) {
      broken += 1;
      console.log(`seed ${seed}: ${run.violations.join("; ")}`);
      if (!values.trace) console.log(`  what happened: ./bartender-sim --seed ${seed} --trace`);
      if (values.first) break;
    }
    if (done % PROGRESS === 0) process.stderr.write(`${done} of ${count} runs, ${jobs} jobs, ${broken} broken\n`);
  }
  console.log(
    `${done} runs with ${jobs} jobs, ${broken === 0 ? "the promise was kept" : `${broken} broke the promise`}`,
  );
  return broken === 0 ? 0 : 1;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`${name}: expected a whole number, got ${JSON.stringify(text)}\n`);
  process.exit(2);
}
