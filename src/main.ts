import { fstatSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type DestinationStream, destination } from "pino";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { localCommandRunner } from "../adapters/command_runner/local.ts";
import { isJournal, journalLines } from "../adapters/logger/journal_lines.ts";
import { LOG_LEVELS, type LogLevel } from "../adapters/logger/log_levels.ts";
import { pinoLogger } from "../adapters/logger/pino_logger.ts";
import { readableLines } from "../adapters/logger/readable_lines.ts";
import packageJson from "../package.json" with { type: "json" };
import { runCheckConfig } from "./cli/check_config.ts";
import { completionScript, SHELLS, type Shell } from "./cli/completion.ts";
import { buildConsole, isConsoleFault, tellFault } from "./cli/console.ts";
import { runGenerateKeys } from "./cli/generate_keys.ts";
import { runGenerateToken } from "./cli/generate_token.ts";
import { type CommandIo, EXIT, EXIT_TEXT } from "./cli/io.ts";
import { runJanitor } from "./cli/janitor.ts";
import { runLink } from "./cli/link.ts";
import { MANUAL_PAGES, type ManualPageName, manual } from "./cli/manual.ts";
import { runMigrate } from "./cli/migrate.ts";
import { type PerformerInput, runPerform } from "./cli/perform.ts";
import type { FollowFiles } from "./cli/read_config.ts";
import { type DaemonInput, runServe } from "./cli/serve.ts";
import { addClientCommands } from "./client_commands.ts";
import type { Config } from "./config/config.ts";
import { type Environment, readEnvironment } from "./config/environment.ts";
import type { DeniedSecrets } from "./config/secret_file.ts";
import { HELP_STYLE } from "./console/help_style.ts";
import { clientFilesFollower } from "./follow_client_files.ts";
import type { Logger } from "./ports/logger.ts";
import { bundledFile } from "./runtime/bundled_files.ts";
import { serviceManager } from "./runtime/sd_notify.ts";
import { runtimeName, selfCommand } from "./runtime/self_command.ts";
import { onReloadSignal, onStopSignals, onUncaught } from "./runtime/signals.ts";

/*
 * What only some commands need is loaded by these: a daemon with all its adapters takes longer to load than most commands
 * take to run.
 */
const clock = systemClock();
const io: CommandIo = {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  cwd: process.cwd(),
  env: process.env,
};

const program = new Command("bartender")
  .description("Job middleware: run configured command-line applications on a lab's computers over REST.")
  .version(`bartender ${packageJson.version} (${runtimeName()})`, "--version", "print the version")
  .addHelpText(
    "after",
    `
Settings come from the environment (BARTENDER_…), or from .env in the working directory.

Exit status: ${EXIT_TEXT}.`,
  )
  .configureHelp(HELP_STYLE)
  .exitOverride()
  .showSuggestionAfterError();

program
  .command("serve")
  .description("run the daemon with its REST API until SIGTERM or SIGINT")
  .option("--config <file>", "configuration file (default: $BARTENDER_CONFIG_FILENAME, else config.yaml)")
  .option("--standby", "wait while another daemon works on the same database, and take over when it ends", false)
  .action((options: ServeFlags) => withEnvironment((environment) => serve(options, environment)));

program
  .command("perform")
  .description("run the jobs of destinations whose scheduler is arq, on this machine, until SIGTERM or SIGINT")
  .option("--config <file>", "configuration file", "config.yaml")
  .option("--destination <name...>", "destinations to work for (default: all whose scheduler is arq)")
  .action((options: PerformFlags) => withEnvironment((environment) => perform(options, environment), "warn"));

program
  .command("janitor")
  .description("remove what faults left behind and what was kept long enough, as the daemon does every hour")
  .option("--config <file>", "configuration file (default: the one that serve would use)")
  .option("--dry-run", "only list what would be removed; a daemon may be running", false)
  .action(({ config, dryRun }: { config?: string; dryRun: boolean }) =>
    withEnvironment(async (environment) => {
      const logger = pinoLogger(environment.logLevel satisfies LogLevel, { write: io.stderr });
      const { cleanUpNow, previewCleanUp } = await import("./clean_up_now.ts");
      const given = { environment, variables: io.env, clock, logger, random: Math.random };
      const options = {
        ...{ config, environment, isDryRun: dryRun, follow: follower(logger) },
        cleanUp: async (read: Config) => ({ ...(await cleanUpNow({ ...given, config: read })) }),
        preview: (read: Config) => previewCleanUp({ ...given, config: read }),
      };
      return await runJanitor(options, io);
    }),
  );

program
  .command("demo")
  .description("start a daemon in a temporary directory and run a word count through its REST API")
  .option("--keep", "leave the daemon running and print its URL and a token", false)
  .action(async ({ keep }: { keep: boolean }) => {
    const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
    const projectFile = async (name: string): Promise<Uint8Array> =>
      (await bundledFile(`bartender/${name}`)) ?? (await readFile(join(projectDir, name)));
    const options = { keep, selfCommand: selfCommand(import.meta.url), projectFile, clock };
    const { runDemo } = await import("./cli/demo.ts");
    process.exitCode = await runDemo(options, io);
  });

program
  .command("check-config")
  .description("check a configuration file and list all its faults, each with file, line, column and key")
  .option("--config <file>", "file to check (default: the one that serve would use)")
  .option("--schema", "print the JSON Schema of the file, for editors", false)
  .option("--probe", "also log in to each destination and try what jobs will need there", false)
  .action(({ config, schema, probe }: { config?: string; schema: boolean; probe: boolean }) =>
    withEnvironment(
      (environment) =>
        runCheckConfig(
          { config, schema, probe },
          {
            environment,
            workingDirectory: io.cwd,
            credentialsDirectory: io.env.CREDENTIALS_DIRECTORY,
            stdout: { write: io.stdout },
            stderr: { write: io.stderr },
            async *probe(checked) {
              const { probeDestinations } = await import("./probe_destinations.ts");
              yield* probeDestinations({
                config: checked,
                clock,
                logger: pinoLogger("critical", { write: io.stderr }),
                random: Math.random,
                variables: process.env,
              });
            },
          },
        ),
      // Nothing is asked of the database.
      "warn",
    ),
  );

program
  .command("migrate")
  .description("bring the database to the newest version, and take over the jobs of a Python Bartender; serve does too")
  .action(() =>
    withEnvironment(async ({ database, logLevel }) => {
      const logger = pinoLogger(logLevel);
      const { buildWriterLock } = await import("../adapters/writer_lock/build.ts");
      const { migrateJobStore } = await import("../adapters/job_store/build.ts");
      return await runMigrate(
        {
          database,
          lock: () => buildWriterLock(database, { clock, logger }),
          migrate: (of) => migrateJobStore(of, { clock, logger }),
        },
        io,
      );
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
  .action((directory: string, options: LinkFlags) =>
    withEnvironment((environment) => {
      const { name, config } = options;
      const logger = pinoLogger(environment.logLevel, { write: io.stderr });
      const openStore = async () => {
        const { openJobStore } = await import("../adapters/job_store/build.ts");
        return await openJobStore(environment.database, { logger, clock, mustBeCurrent: true });
      };
      return runLink({ ...options, directory, name, config, environment, clock, openStore }, io);
    }),
  );

program
  .command("generate-keys")
  .description("make an RSA key pair: the private key signs tokens, the public key lets the daemon check them")
  .option("--private-key <file>", "where the private key goes (mode 600)", "private_key.pem")
  .option("--public-key <file>", "where the public key goes", "public_key.pem")
  .option("--bits <number>", "size of the key", wholeNumber, 2048)
  .option("--force", "replace existing files", false)
  .action(async (options: { privateKey: string; publicKey: string; bits: number; force: boolean }) => {
    process.exitCode = await runGenerateKeys(options, io);
  });

program
  .command("generate-token")
  .description("sign a token")
  .option("--private-key <file>", "RSA private key, PEM", "private_key.pem")
  .option("--username <text>", "whose token it is (claim sub)", "someone")
  .option("--roles <role...>", "roles of the user", [])
  .option("--lifetime <minutes>", "how long it is valid", wholeNumber, 60)
  .option("--issuer <text>", "claim iss", "bartendercli")
  .addOption(
    new Option("--oformat <format>", "bare token, or a header for curl").choices(["plain", "header"]).default("plain"),
  )
  .addOption(new Option("--format <format>", "the same").choices(["plain", "header"]).hideHelp())
  .action(async ({ oformat, format = oformat, lifetime: lifetimeMinutes, ...options }: TokenFlags) => {
    process.exitCode = await runGenerateToken({ ...options, format, lifetimeMinutes, clock }, io);
  });

program.addCommand(
  buildConsole({
    io,
    clock,
    environment() {
      const result = readEnvironment(process.env, io.cwd, "warn");
      if (result.isValid) return result.environment;
      for (const fault of result.faults) io.stderr(`${fault}\n`);
      return undefined;
    },
  }),
);
const terminal = process.stderr.isTTY ? io.stderr : undefined;
addClientCommands(program, { ...io, clock, terminal }, (status) => {
  process.exitCode = status;
});

program
  .command("completion")
  .description("print what lets a shell complete commands and options; see docs/console.md for where it goes")
  .addArgument(new Argument("<shell>").choices(SHELLS))
  .action((shell: Shell) => io.stdout(completionScript(program, shell)));

program
  .command("manual")
  .description("print a manual page, for `man -l -`")
  .addArgument(new Argument("[page]").choices(MANUAL_PAGES).default("bartender"))
  .action((page: ManualPageName) =>
    io.stdout(manual(page, { program, env: io.env, clock, version: packageJson.version })),
  );

interface ServeFlags {
  readonly config?: string;
  readonly standby: boolean;
}

interface PerformFlags {
  readonly config: string;
  readonly destination?: string[];
}

interface LinkFlags {
  readonly submitter: string;
  readonly application: string;
  readonly name?: string;
  readonly config?: string;
}

interface TokenFlags {
  readonly privateKey: string;
  readonly username: string;
  readonly roles: string[];
  readonly lifetime: number;
  readonly issuer: string;
  readonly oformat: "plain" | "header";
  readonly format?: "plain" | "header";
}

function wholeNumber(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

/** Reads the settings only for commands that need them, so that the others work whatever the environment holds. */
async function withEnvironment(
  run: (environment: Environment) => Promise<number>,
  deniedSecrets: DeniedSecrets = "refuse",
): Promise<void> {
  const result = readEnvironment(process.env, io.cwd, deniedSecrets);
  for (const warning of result.warnings) io.stderr(`warning: ${warning}\n`);
  if (result.isValid) {
    process.exitCode = await run(result.environment);
    return;
  }
  for (const fault of result.faults) io.stderr(`${fault}\n`);
  process.exitCode = EXIT.fault;
}

/** For people on a terminal, with priorities for the journal, else plain JSON. */
function logStream(): DestinationStream {
  // Synchronous, so that the line about the fault that ends the process is still written.
  const output = destination({ dest: 1, sync: true });
  const write = (text: string): void => void output.write(text);
  if (process.stdout.isTTY) return readableLines(write, (process.env.NO_COLOR ?? "") === "");
  return isJournal(process.env.JOURNAL_STREAM, fstatSync(1)) ? journalLines(write) : output;
}

/** Follows the OpenSSH client files of this user. */
function follower(logger: Logger): FollowFiles {
  return clientFilesFollower({ runner: localCommandRunner({ clock, logger }), variables: process.env });
}

async function serve({ config, standby: isStandby }: ServeFlags, environment: Environment): Promise<number> {
  const logger = pinoLogger(environment.logLevel satisfies LogLevel, logStream());
  onUncaught((error) => logger.error("A fault that nobody caught ends the daemon", { error }));
  const stopRequested = new Promise<string>((resolve) => {
    // Who asks twice does not want to wait.
    onStopSignals(resolve, () => process.exit(EXIT.fault));
  });
  const random = Math.random;
  const logLevel = {
    get: () => logger.level(),
    levels: LOG_LEVELS,
    set: (level: string) => logger.setLevel(LOG_LEVELS.find((known) => known === level) ?? logger.level()),
  };
  const manager = serviceManager(process.env, (reason) => {
    logger.warn("The service manager does not learn how the daemon is", { reason });
  });
  const options = {
    ...{ config, isStandby, environment, clock, logger, logLevel, random },
    ...{ manager, start: async (input: DaemonInput) => (await import("./daemon.ts")).startDaemon(input) },
    ...{ follow: follower(logger) },
    ...{ stopRequested, onReload: onReloadSignal },
  };
  const status = await runServe(options, io);
  // Timers of libraries must not keep a stopped daemon alive.
  process.exit(status);
}

async function perform({ config, destination }: PerformFlags, environment: Environment): Promise<number> {
  const logger = pinoLogger(environment.logLevel satisfies LogLevel, logStream());
  onUncaught((error) => logger.error("A fault that nobody caught ends the performer", { error }));
  const asked = Promise.withResolvers<string>();
  const insisted = Promise.withResolvers<string>();
  onStopSignals(asked.resolve, insisted.resolve);
  const options = {
    ...{ config, destinations: destination, environment, clock, logger, random: Math.random },
    ...{ start: async (input: PerformerInput) => (await import("./performer.ts")).startPerformer(input) },
    ...{ stopRequested: asked.promise, stopInsisted: insisted.promise, follow: follower(logger) },
  };
  const status = await runPerform(options, io);
  // Timers of libraries must not keep a stopped performer alive.
  process.exit(status);
}

// Who reads the output of a command, or its help, may have seen enough. The services go on.
if (!["serve", "perform"].includes(process.argv[2] ?? "")) {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
}

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError || isConsoleFault(error))) throw error;
  process.exitCode = tellFault(error, io);
}
