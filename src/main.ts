import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../adapters/clock/system_clock.ts";
import { type LogLevel, pinoLogger } from "../adapters/logger/pino_logger.ts";
import packageJson from "../package.json" with { type: "json" };
import { runCheckConfig } from "./cli/check_config.ts";
import { runDemo } from "./cli/demo.ts";
import { runGenerateKeys } from "./cli/generate_keys.ts";
import { runGenerateToken } from "./cli/generate_token.ts";
import { type CommandIo, EXIT } from "./cli/io.ts";
import { runServe } from "./cli/serve.ts";
import { type Environment, readEnvironment } from "./config/environment.ts";
import { startDaemon } from "./daemon.ts";
import { runtimeName, selfCommand } from "./runtime/self_command.ts";
import { onStopSignals, onUncaught } from "./runtime/signals.ts";

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

Exit status: 0 done, 1 a fault that the message explains, 2 wrong command line.`,
  )
  .exitOverride()
  .showSuggestionAfterError();

program
  .command("serve")
  .description("run the daemon with its REST API until SIGTERM or SIGINT")
  .option("--config <file>", "configuration file (default: $BARTENDER_CONFIG_FILENAME, else config.yaml)")
  .action((options: { config?: string }) => withEnvironment((environment) => serve(options.config, environment)));

program
  .command("demo")
  .description("start a daemon in a temporary directory and run a word count through its REST API")
  .option("--keep", "leave the daemon running and print its URL and a token", false)
  .action(async ({ keep }: { keep: boolean }) => {
    const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
    const options = { keep, selfCommand: selfCommand(import.meta.url), projectDir, clock };
    process.exitCode = await runDemo(options, io);
  });

program
  .command("check-config")
  .description("check a configuration file and list all its faults, each with file, line, column and key")
  .option("--config <file>", "file to check (default: the one that serve would use)")
  .option("--schema", "print the JSON Schema of the file, for editors", false)
  .action(({ config, schema }: { config?: string; schema: boolean }) =>
    withEnvironment((environment) =>
      runCheckConfig(
        { config, schema },
        { environment, workingDirectory: io.cwd, stdout: { write: io.stdout }, stderr: { write: io.stderr } },
      ),
    ),
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
async function withEnvironment(run: (environment: Environment) => Promise<number>): Promise<void> {
  const result = readEnvironment(process.env, io.cwd);
  for (const warning of result.warnings) io.stderr(`warning: ${warning}\n`);
  if (result.isValid) {
    process.exitCode = await run(result.environment);
    return;
  }
  for (const fault of result.faults) io.stderr(`${fault}\n`);
  process.exitCode = EXIT.fault;
}

async function serve(config: string | undefined, environment: Environment): Promise<number> {
  const logger = pinoLogger(environment.logLevel satisfies LogLevel);
  onUncaught((error) => logger.error("A fault that nobody caught ends the daemon", { error }));
  const stopRequested = new Promise<string>((resolve) => {
    // Who asks twice does not want to wait.
    onStopSignals(resolve, () => process.exit(EXIT.fault));
  });
  const random = Math.random;
  const status = await runServe({ config, environment, clock, logger, random, start: startDaemon, stopRequested }, io);
  // Timers of libraries must not keep a stopped daemon alive.
  process.exit(status);
}

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
