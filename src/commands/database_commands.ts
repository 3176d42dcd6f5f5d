import type { Command } from "commander";
import { type Surroundings, withEnvironment } from "./surroundings.ts";

interface LinkFlags {
  readonly submitter: string;
  readonly application: string;
  readonly name?: string;
  readonly config?: string;
}

/** Adds the commands that bring something into the database without a daemon. */
export function addDatabaseCommands(program: Command, given: Surroundings): void {
  const { clock } = given;

  program
    .command("migrate")
    .description(
      "bring the database to the newest version, and take over the jobs of a Python Bartender; serve does too",
    )
    .action(() =>
      withEnvironment(given, async ({ database, logLevel }) => {
        const { pinoLogger } = await import("../../adapters/logger/pino_logger.ts");
        const { buildWriterLock } = await import("../../adapters/writer_lock/build.ts");
        const { migrateJobStore } = await import("../../adapters/job_store/build.ts");
        const { runMigrate } = await import("../cli/migrate.ts");
        const logger = pinoLogger(logLevel);
        const lock = () => buildWriterLock(database, { clock, logger });
        return await runMigrate({ database, lock, migrate: (of) => migrateJobStore(of, { clock, logger }) }, given);
      }),
    );

  program
    .command("link")
    .alias("link-job")
    .description("show a directory that is there already as a finished job, and print the number of that job")
    .argument("<directory>", "must be readable by the daemon, and writable for interactive applications")
    .option("--submitter <text>", "whose job it is", "someone")
    .option("--application <text>", "application of the job, which need not be configured", "ln")
    .option("--name <text>", "name of the job (default: last part of the directory's path)")
    .option("--config <file>", "configuration file (default: the one that serve would use)")
    .action((directory: string, flags: LinkFlags) =>
      withEnvironment(given, async (environment) => {
        const { pinoLogger } = await import("../../adapters/logger/pino_logger.ts");
        const { runLink } = await import("../cli/link.ts");
        const { name, config } = flags;
        const logger = pinoLogger(environment.logLevel, { write: given.stderr });
        const openStore = async () => {
          const { openJobStore } = await import("../../adapters/job_store/build.ts");
          return await openJobStore(environment.database, { logger, clock, mustBeCurrent: true });
        };
        return await runLink({ ...flags, directory, name, config, environment, clock, openStore }, given);
      }),
    );
}
