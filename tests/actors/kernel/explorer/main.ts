import { explore } from "./explore.ts";

/**
 * Explores from the command line: `bun tests/actors/kernel/explorer/main.ts <first seed> <count>`. Exit status 1 and the
 * finding on stdout when a guarantee is broken.
 */
const [firstSeed = 1, count = 1] = process.argv.slice(2).map(Number);
const finding = await explore(firstSeed, count);
if (finding !== undefined) {
  console.log(finding.text);
  process.exitCode = 1;
}
