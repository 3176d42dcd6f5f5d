import { explore, reportOf, summaryOf } from "./explore.ts";

/*
 * Explores from the command line: `bun tests/actors/kernel/explorer/main.ts <first seed> <count> [--brief]`. Exit status 1
 * and the finding on stdout, with `--brief` as one line, when a guarantee is broken.
 */
const [firstSeed = "1", count = "1", option] = process.argv.slice(2);
const finding = await explore(Number(firstSeed), Number(count));
if (finding !== undefined) {
  console.log(option === "--brief" ? summaryOf(finding) : await reportOf(finding));
  process.exitCode = 1;
}
