import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import type { ConfigProbe } from "../cli/check_config.ts";
import type { Config } from "../config/config.ts";
import { bundledFile } from "../runtime/bundled_files.ts";
import { selfCommand } from "../runtime/self_command.ts";
import { type Surroundings, withEnvironment } from "./surroundings.ts";

/**
 * Adds the commands by which Bartender and its configuration are tried before a daemon serves.
 *
 * @param mainUrl of the module that the process was started with
 */
export function addTrialCommands(program: Command, given: Surroundings, mainUrl: string): void {
  const { clock } = given;

  program
    .command("demo")
    .description("start a daemon in a temporary directory and run a word count through its REST API")
    .option("--keep", "leave the daemon running and print its URL and a token", false)
    .action(async ({ keep }: { keep: boolean }) => {
      const projectDir = dirname(dirname(fileURLToPath(mainUrl)));
      const projectFile = async (name: string): Promise<Uint8Array> =>
        (await bundledFile(`bartender/${name}`)) ?? (await readFile(join(projectDir, name)));
      const { runDemo } = await import("../cli/demo.ts");
      process.exitCode = await runDemo({ keep, selfCommand: selfCommand(mainUrl), projectFile, clock }, given);
    });

  program
    .command("check-config")
    .description("check a configuration file and list all its faults, each with file, line, column and key")
    .option("--config <file>", "file to check (default: the one that serve would use)")
    .option("--schema", "print the JSON Schema of the file, for editors", false)
    .option("--probe", "also log in to each destination and try what jobs will need there", false)
    .action(({ config, schema, probe: isProbing }: { config?: string; schema: boolean; probe: boolean }) =>
      withEnvironment(
        given,
        async (environment) => {
          const { runCheckConfig } = await import("../cli/check_config.ts");
          const probe = isProbing ? (checked: Config) => probeAll(checked, given) : undefined;
          return await runCheckConfig({ config, schema, environment, probe }, given);
        },
        // Nothing is asked of the database.
        "warn",
      ),
    );
}

async function* probeAll(config: Config, { clock, stderr, env }: Surroundings): AsyncGenerator<ConfigProbe> {
  const { pinoLogger } = await import("../../adapters/logger/pino_logger.ts");
  const { probeDestinations } = await import("../probe_destinations.ts");
  const logger = pinoLogger("critical", { write: stderr });
  yield* probeDestinations({ config, clock, logger, random: Math.random, variables: env });
}
