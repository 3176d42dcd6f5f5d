import type { Argument, Command } from "commander";
import { PUBLIC_STATES } from "../core/job.ts";
import { splitLine } from "./split_line.ts";

/** What may stand where a command wants a destination or a job. */
export interface Candidates {
  readonly destinations: readonly string[];
  readonly jobs: readonly string[];
}

/** What may come next on a line, and the part of the line that it takes the place of. Pure. */
export function complete(tree: Command, line: string, candidates: Candidates): [string[], string] {
  const words = splitLine(line) ?? [];
  const last = /\s$/.test(line) || words.length === 0 ? "" : (words.pop() ?? "");
  const all = choices(tree, words, last, candidates);
  return [all.filter((choice) => choice.startsWith(last)).map((choice) => `${choice} `), last];
}

function choices(tree: Command, words: readonly string[], last: string, candidates: Candidates): readonly string[] {
  const [name, ...given] = words;
  const commands = tree
    .createHelp()
    .visibleCommands(tree)
    .map((command) => command.name());
  if (name === undefined) return [...new Set([...commands, "help", "exit"])];
  if (name === "help") return given.length === 0 ? commands : [];
  const command = tree.commands.find((each) => each.name() === name);
  if (command === undefined) return [];
  const before = given.at(-1);
  const option = command.options.find(
    ({ long, short }) => before !== undefined && (before === long || before === short),
  );
  if (option !== undefined && (option.required || option.optional)) {
    if (option.long === "--state") return [...PUBLIC_STATES, "unfinished"];
    return option.argChoices ?? namesFor(option.attributeName(), candidates);
  }
  if (last.startsWith("-")) return command.options.flatMap(({ long }) => long ?? []);
  const taken = given.filter((word) => !word.startsWith("-")).length;
  const parameters = command.registeredArguments;
  const argument: Argument | undefined = parameters[taken] ?? parameters.findLast(({ variadic }) => variadic);
  return argument === undefined ? [] : namesFor(argument.name(), candidates);
}

function namesFor(name: string, { destinations, jobs }: Candidates): readonly string[] {
  if (name === "destination") return destinations;
  return name === "id" || name === "ids" ? jobs : [];
}
