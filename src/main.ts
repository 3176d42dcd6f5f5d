import process from "node:process";
import { Command, CommanderError } from "commander";
import { systemClock } from "../adapters/clock/system_clock.ts";
import packageJson from "../package.json" with { type: "json" };
import { buildConsole, isConsoleFault, tellFault } from "./cli/console.ts";
import { EXIT_TEXT } from "./cli/io.ts";
import { addClientCommands } from "./commands/client_commands.ts";
import { addDatabaseCommands } from "./commands/database_commands.ts";
import { addHelpCommands } from "./commands/help_commands.ts";
import { addServiceCommands } from "./commands/service_commands.ts";
import type { Surroundings } from "./commands/surroundings.ts";
import { addTokenCommands } from "./commands/token_commands.ts";
import { addTrialCommands } from "./commands/trial_commands.ts";
import { readEnvironment } from "./config/environment.ts";
import { HELP_STYLE } from "./console/help_style.ts";
import { runtimeName } from "./runtime/self_command.ts";

/*
 * Loads what it takes to tell the commands; each loads what it works with when it runs. A daemon with all its adapters takes
 * longer to load than most commands take to run.
 */
const given: Surroundings = {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  cwd: process.cwd(),
  env: process.env,
  clock: systemClock(),
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

// In the order of the help.
addServiceCommands(program, given);
addTrialCommands(program, given, import.meta.url);
addDatabaseCommands(program, given);
addTokenCommands(program, given);
program.addCommand(
  buildConsole({
    io: given,
    clock: given.clock,
    environment() {
      const result = readEnvironment(given.env, given.cwd, "warn");
      if (result.isValid) return result.environment;
      for (const fault of result.faults) given.stderr(`${fault}\n`);
      return undefined;
    },
  }),
);
addClientCommands(program, { ...given, terminal: process.stderr.isTTY ? given.stderr : undefined });
addHelpCommands(program, given, packageJson.version);

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
  process.exitCode = tellFault(error, given);
}
