import { startPostgres } from "../../support/postgres_server.ts";
import { memory } from "./combinations.ts";
import { faultWorld } from "./fault_world.ts";
import { dieWithoutDatabase } from "./outages.ts";

/*
 * `bun tests/end_to_end/kill_matrix/outages_main.ts` lets a daemon die while its database is away. Exit status 1, and what
 * was promised and not kept on stdout, when something was.
 */
await using postgres = await startPostgres();
await using world = await faultWorld(memory(postgres));
const broken = await dieWithoutDatabase(world, postgres).catch((error: unknown) => [String(error)]);
for (const text of broken) console.log(text);
if (broken.length > 0) process.exitCode = 1;
