import { Argument, type Command } from "commander";
import { completionScript, SHELLS, type Shell } from "../cli/completion.ts";
import { MANUAL_PAGES, type ManualPageName, manual } from "../cli/manual.ts";
import type { Surroundings } from "./surroundings.ts";

/** Adds the commands that tell, in other forms than help, what all commands of the program are. */
export function addHelpCommands(program: Command, { env, clock, stdout }: Surroundings, version: string): void {
  program
    .command("completion")
    .description("print what lets a shell complete commands and options; see docs/console.md for where it goes")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .action((shell: Shell) => stdout(completionScript(program, shell)));

  program
    .command("manual")
    .description("print a manual page, for `man -l -`")
    .addArgument(new Argument("[page]").choices(MANUAL_PAGES).default("bartender"))
    .action(async (page: ManualPageName) => stdout(await manual(page, { program, env, clock, version })));
}
