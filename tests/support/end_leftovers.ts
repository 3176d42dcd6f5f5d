import { existsSync, readdirSync } from "node:fs";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { endProcesses } from "../../adapters/scheduler/end_processes.ts";
import { processTable } from "../../adapters/scheduler/process_table.ts";

/**
 * Ends commands that outlive their daemon, as they do by design, when their test is over. No two tests have a tag in common.
 *
 * @param controlDir where the records of the attempts are
 */
export async function endLeftovers(controlDir: string): Promise<void> {
  const [table, clock] = [processTable(), systemClock()];
  const living = table.livingTags();
  for (const tag of existsSync(controlDir) ? readdirSync(controlDir) : []) {
    if (!living.has(tag)) continue;
    const what = { table, clock, tag, groupId: undefined, isGroupOurs: false, graceMs: 0, onStuck: () => {} };
    await endProcesses(what).done;
  }
}
