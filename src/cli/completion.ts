import type { Command } from "commander";
import { NAMES_COMMAND, type NameKind } from "../console/names.ts";
import { PUBLIC_STATES } from "../core/job.ts";

/** Shells that completions are made for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** What may be written after some commands: sub commands and options, each with what it is for. */
interface Place {
  /** Names of commands, with blanks in between; empty at the start. */
  readonly path: string;
  readonly words: readonly (readonly [word: string, description: string])[];
  readonly options: readonly OptionPlace[];
  readonly values: Values;
}

interface OptionPlace {
  readonly long: string;
  readonly description: string;
  /** Undefined: it is a switch. */
  readonly values: Values | undefined;
}

/** What a value may be: some words, or names that only a running daemon knows, or anything when both are missing. */
interface Values {
  readonly words: readonly string[];
  readonly kind: NameKind | undefined;
}

/** The completions of a program for a shell, from the very commands that its help is made of. Pure. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, "");
  const name = program.name();
  switch (shell) {
    case "bash":
      return bash(name, places);
    case "zsh":
      return zsh(name, places);
    case "fish":
      return fish(name, places);
  }
}

function placesOf(command: Command, path: string): readonly Place[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command).filter((each) => each.name() !== "help");
  const options = help.visibleOptions(command).flatMap((option): readonly OptionPlace[] => {
    const { long, description } = option;
    if (long == null) return [];
    const takesValue = option.required || option.optional;
    const states = option.attributeName() === "state" ? PUBLIC_STATES : [];
    const values = { words: option.argChoices ?? states, kind: kindOf(option.attributeName()) };
    return [{ long, description, values: takesValue ? values : undefined }];
  });
  const [argument] = command.registeredArguments;
  return [
    {
      ...{ path, options },
      words: commands.map((each) => [each.name(), help.subcommandDescription(each)]),
      values: { words: argument?.argChoices ?? [], kind: kindOf(argument?.name() ?? "") },
    },
    ...commands.flatMap((each) => placesOf(each, path === "" ? each.name() : `${path} ${each.name()}`)),
  ];
}

function kindOf(name: string): NameKind | undefined {
  if (name === "destination") return "destinations";
  return name === "id" || name === "ids" ? "jobs" : undefined;
}

/** What the shell makes of it between double quotes: words, and a command whose output are words. */
function quotedWords(name: string, { words, kind }: Values): readonly string[] {
  return [...words, ...(kind === undefined ? [] : [`$(${namesCommand(name, kind)})`])];
}

/** Other shells than that of the daemon's machine have nothing to offer. */
function namesCommand(name: string, kind: NameKind): string {
  return `${name} console ${NAMES_COMMAND} ${kind} 2>/dev/null`;
}

/**
 * Walks along the words that are there already, as far as they are commands, and then finds what may come next: values of
 * the option that stands last, else whatever the command takes.
 */
function walk(name: string, places: readonly Place[], words: string, result: string): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  const values = places.flatMap(({ path, options }) =>
    options.flatMap(({ long, values: found }) =>
      found === undefined ? [] : [`    "${path} ${long}") ${result}="${quotedWords(name, found).join(" ")}" ;;`],
    ),
  );
  const others = places.map(({ path, words: commands, options, values: found }) => {
    const all = [...commands.map(([word]) => word), ...quotedWords(name, found), ...options.map(({ long }) => long)];
    return `      "${path}") ${result}="${all.join(" ")}" ;;`;
  });
  return `  local at="" last="" word
  for word in ${words}; do
    case "\${at:+$at }$word" in
      ${known.join("|")}) at="\${at:+$at }$word" ;;
    esac
    last="$word"
  done
  local ${result}=""
  case "$at $last" in
${values.join("\n")}
    *) case "$at" in
${others.join("\n")}
    esac ;;
  esac
`;
}

function bash(name: string, places: readonly Place[]): string {
  return `_${name}() {
${walk(name, places, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`, "words")}  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${name} ${name}
`;
}

function zsh(name: string, places: readonly Place[]): string {
  return `#compdef ${name}
_${name}() {
${walk(name, places, `"\${(@)words[2,CURRENT-1]}"`, "found")}  if [ -n "$found" ]; then compadd -- \${=found}; else _files; fi
}
if [ "$funcstack[1]" = "_${name}" ]; then _${name}; else compdef _${name} ${name}; fi
`;
}

function fish(name: string, places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => `'${path}'`);
  const offered = ({ words, kind }: Values): string =>
    [...words, ...(kind === undefined ? [] : [`(${namesCommand(name, kind)})`])].join(" ");
  const lines = places.flatMap(({ path, words, options, values }) => {
    const when = `complete -c ${name} -n "test (__${name}_at) = '${path}'"`;
    const arguments_ = offered(values);
    return [
      ...words.map(([word, description]) => `${when} -f -a ${word} -d ${quoted(description)}`),
      ...(arguments_ === "" ? [] : [`${when} -f -a ${quoted(arguments_)}`]),
      ...options.map(({ long, description, values: found }) => {
        const choices = found === undefined ? "" : offered(found);
        const takes = found === undefined ? "" : choices === "" ? " -r" : ` -x -a ${quoted(choices)}`;
        return `${when} -l ${long.slice(2)}${takes} -d ${quoted(description)}`;
      }),
    ];
  });
  return `function __${name}_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim "$at $word")
    contains -- $next ${known.join(" ")}; and set at $next
  end
  echo "$at"
end
${lines.join("\n")}
`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
