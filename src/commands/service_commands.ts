import type { Command } from "commander";
import type { JanitorFlags, PerformFlags, ServeFlags } from "./run_services.ts";
import { type Surroundings, withEnvironment } from "./surroundings.ts";

/** Adds the commands that work with the destinations of a configuration: for as long as they are let, or one round of it. */
export function addServiceCommands(program: Command, given: Surroundings): void {
  program
    .command("serve")
    .description("run the daemon with its REST API until SIGTERM or SIGINT")
    .option("--config <file>", "configuration file (default: $BARTENDER_CONFIG_FILENAME, else config.yaml)")
    .option("--standby", "wait while another daemon works on the same database, and take over when it ends", false)
    .action((flags: ServeFlags) =>
      withEnvironment(given, async (environment) => {
        const { serve } = await import("./run_services.ts");
        return await serve(flags, environment, given);
      }),
    );

  program
    .command("perform")
    .description("run the jobs of destinations whose scheduler is arq, on this machine, until SIGTERM or SIGINT")
    .option("--config <file>", "configuration file", "config.yaml")
    .option("--destination <name...>", "destinations to work for (default: all whose scheduler is arq)")
    .action((flags: PerformFlags) =>
      withEnvironment(
        given,
        async (environment) => {
          const { perform } = await import("./run_services.ts");
          return await perform(flags, environment, given);
        },
        "warn",
      ),
    );

  program
    .command("janitor")
    .description("remove what faults left behind and what was kept long enough, as the daemon does every hour")
    .option("--config <file>", "configuration file (default: the one that serve would use)")
    .option("--dry-run", "only list what would be removed; a daemon may be running", false)
    .action((flags: JanitorFlags) =>
      withEnvironment(given, async (environment) => {
        const { cleanUp } = await import("./run_services.ts");
        return await cleanUp(flags, environment, given);
      }),
    );
}
