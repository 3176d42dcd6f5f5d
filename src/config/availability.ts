import type { Config } from "./config.ts";
import { formatKeyPath } from "./finding.ts";

const SCHEDULERS = new Set(["memory", "eager"]);
const FILE_SYSTEMS = new Set(["local"]);

/**
 * Names what the configuration asks for and this version cannot do yet. To be refused at start, and to be
 * mentioned by a check of the file.
 *
 * @returns e.g. `destinations.x.scheduler.type: slurm is not available yet in this version`
 */
export function unavailableFeatures(config: Config): readonly string[] {
  return [...config.destinations].flatMap(([name, { scheduler, fileSystem }]) => [
    ...unavailable(["destinations", name, "scheduler", "type"], scheduler.type, SCHEDULERS),
    ...unavailable(["destinations", name, "filesystem", "type"], fileSystem.type, FILE_SYSTEMS),
  ]);
}

function unavailable(path: readonly string[], type: string, available: ReadonlySet<string>): readonly string[] {
  return available.has(type) ? [] : [`${formatKeyPath(path)}: ${type} is not available yet in this version`];
}
