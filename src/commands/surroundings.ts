import process from "node:process";
import { type CommandIo, EXIT } from "../cli/io.ts";
import { type Environment, readEnvironment } from "../config/environment.ts";
import type { DeniedSecrets } from "../config/secret_file.ts";
import type { Clock } from "../ports/clock.ts";

/** What every command is given. */
export interface Surroundings extends CommandIo {
  readonly clock: Clock;
}

/**
 * Runs a command and sets the exit status of the process. The settings are read only for commands that need them, so that
 * the others work whatever the environment holds.
 */
export async function withEnvironment(
  { stderr, cwd, env }: Surroundings,
  run: (environment: Environment) => Promise<number>,
  deniedSecrets: DeniedSecrets = "refuse",
): Promise<void> {
  const result = readEnvironment(env, cwd, deniedSecrets);
  for (const warning of result.warnings) stderr(`warning: ${warning}\n`);
  if (result.isValid) {
    process.exitCode = await run(result.environment);
    return;
  }
  for (const fault of result.faults) stderr(`${fault}\n`);
  process.exitCode = EXIT.fault;
}
