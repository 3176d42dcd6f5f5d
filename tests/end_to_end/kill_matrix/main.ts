import { CELLS, runCell } from "./cells.ts";
import { memory } from "./combinations.ts";
import { faultWorld } from "./fault_world.ts";

/*
 * Runs cells from the command line: `bun tests/end_to_end/kill_matrix/main.ts "<name of a cell>"...`. Exit status 1, and
 * what was promised and not kept on stdout, when something was.
 */
for (const wanted of process.argv.slice(2)) {
  const cell = CELLS.find(({ name }) => name === wanted);
  if (cell === undefined) throw new Error(`There is no cell "${wanted}"`);
  await using world = await faultWorld(memory("sqlite"));
  const broken = await runCell(world, cell).catch((error: unknown) => [String(error)]);
  for (const text of broken) console.log(`${cell.name}: ${text}`);
  if (broken.length > 0) process.exitCode = 1;
}
