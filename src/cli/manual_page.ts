import type { Command, Option } from "commander";
import { VARIABLES } from "../config/variables.ts";
import { bold, filled, italic, pageHead, roffText, tagged, verbatim } from "./roff.ts";

export interface ManualOptions {
  readonly version: string;
  /** Year, month and day. */
  readonly date: string;
  /** Exit statuses: of which commands, and what each means. */
  readonly exitStatus: readonly (readonly [commands: string, meanings: string])[];
}

/** The manual page bartender(1), from the very commands that the help of the program is made of. Pure. */
export function manualPage(program: Command, { version, date, exitStatus }: ManualOptions): string {
  const name = program.name();
  const help = program.createHelp();
  const known = new Set<string>();
  const [summary = ""] = program.description().split(":");
  const sections = [
    pageHead({ name, section: 1, summary: summary.toLowerCase(), date, source: `Bartender ${version}` }),
    `.SH SYNOPSIS\n.B ${roffText(name)}\n.I command\n[\\fIoptions\\fR]\n.br\n.B ${roffText(name)} \\-\\-version\n`,
    `.SH DESCRIPTION\n${filled(roffText(program.description()))}`,
    `.PP\n${filled(`${bold(name)} \\fIcommand\\fR ${bold("--help")} prints what is said here about one command.`)}`,
  ];
  const commands = visibleCommands(program);
  sections.push(".SH COMMANDS\n", ...commands.map((command) => commandText(command, known)));
  for (const group of commands.filter((command) => visibleCommands(command).length > 0)) {
    sections.push(`.SH ${roffText(group.name().toUpperCase())} COMMANDS\n`);
    sections.push(...visibleCommands(group).map((command) => commandText(command, known)));
  }
  sections.push(".SH ENVIRONMENT\n", filled(roffText(`Read from the environment, else from .env ${IN_DIRECTORY}`)));
  for (const { name: variable, description, ...more } of VARIABLES) {
    const without = "fallback" in more ? `; default: ${more.fallback}` : "";
    sections.push(tagged(bold(variable), roffText(`${description}${without}`)));
  }
  sections.push(".SH FILES\n", ...FILES.map(([file, what]) => tagged(italic(file), roffText(what))));
  sections.push(
    ".SH EXIT STATUS\n",
    ...exitStatus.map(([which, what]) => tagged(roffText(which), `${roffText(what)}.`)),
  );
  sections.push(".SH EXAMPLES\n");
  for (const [at, [what = "", ...lines]] of EXAMPLES.entries()) {
    sections.push(at === 0 ? "" : ".PP\n", filled(roffText(what)), verbatim(lines));
  }
  sections.push(
    ".SH SEE ALSO\n",
    ".BR bartender\\-config (5),\n.BR systemctl (1),\n.BR journalctl (1)\n",
    `.PP\n${filled(roffText("More is told in /usr/share/doc/bartender, in the order README, installation, security, operation."))}`,
  );
  return sections.join("");

  function visibleCommands(command: Command): readonly Command[] {
    return help.visibleCommands(command).filter((each) => each.name() !== "help");
  }
}

const IN_DIRECTORY = "in the working directory.";

/** Headings above options in the help that mark no group of their own. */
const PLAIN = new Set(["", "Options:"]);

/**
 * One command: how it is called, what it does, its arguments and options.
 *
 * @param known headings of groups of options that were listed already, and need not be listed again; grows
 */
function commandText(command: Command, known: Set<string>): string {
  const help = command.createHelp();
  const options = help.visibleOptions(command).filter((option) => option.long !== "--help");
  const own = options.filter(({ helpGroupHeading }) => PLAIN.has(helpGroupHeading ?? ""));
  const groups = new Map(
    options.flatMap(({ helpGroupHeading }) =>
      PLAIN.has(helpGroupHeading ?? "") ? [] : [[helpGroupHeading ?? "", ""]],
    ),
  );
  const parts = [`.SS ${pathOf(command)}\n`, filled(callOf(command, own, [...groups.keys()]))];
  const aliases = command.aliases().map((alias) => `${bold(alias)} is the same.`);
  parts.push(".PP\n", filled([`${sentence(help.commandDescription(command))}`, ...aliases].join(" ")));
  for (const argument of help.visibleArguments(command)) {
    if (argument.description === "") continue;
    parts.push(tagged(italic(argument.name()), roffText(help.argumentDescription(argument))));
  }
  for (const option of own) parts.push(optionText(option));
  for (const heading of groups.keys()) {
    const title = heading.replace(/:$/, "").toLowerCase();
    if (known.has(heading)) {
      parts.push(".PP\n", filled(`The ${roffText(title)} are those listed above.`));
      continue;
    }
    known.add(heading);
    for (const option of options) if (option.helpGroupHeading === heading) parts.push(optionText(option));
  }
  return parts.join("");

  function optionText(option: Option): string {
    const [flags = "", value = ""] = splitFlags(option.flags);
    return tagged([bold(flags), italic(value)].join(value === "" ? "" : " "), roffText(help.optionDescription(option)));
  }
}

/** `bartender console queue` */
function pathOf(command: Command): string {
  const above = command.parent === null ? "" : `${pathOf(command.parent)} `;
  return `${above}${roffText(command.name())}`;
}

function callOf(command: Command, options: readonly Option[], groups: readonly string[]): string {
  const words = options.map((option) => {
    const [, value = ""] = splitFlags(option.flags);
    const word = [bold(option.long ?? option.short ?? ""), italic(value)].join(value === "" ? "" : " ");
    return option.mandatory ? word : `[${word}]`;
  });
  const values = command.registeredArguments.map((argument) => {
    const name = `${italic(argument.name())}${argument.variadic ? " ..." : ""}`;
    return argument.required ? name : `[${name}]`;
  });
  const lists = groups.map((heading) => `[${italic(heading.replace(/:$/, "").toLowerCase())}]`);
  const hasCommands = command.commands.length > 0 ? ["[\\fIcommand\\fR]"] : [];
  return [`\\fB${pathOf(command)}\\fR`, ...words, ...lists, ...hasCommands, ...values].join(" ");
}

/** `-f, --follow <text...>` in flags and value. */
function splitFlags(flags: string): readonly string[] {
  const at = flags.search(/[<[]/);
  if (at < 0) return [flags];
  return [
    flags.slice(0, at).trim(),
    flags.slice(at).replace(/^[<[](.*?)(\.\.\.)?[>\]]$/, (_, name, more) => name + (more === undefined ? "" : " ...")),
  ];
}

function sentence(text: string): string {
  return roffText(`${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`);
}

const FILES = [
  ["/etc/bartender/config.yaml", "The configuration of the service, see bartender-config(5)."],
  ["/etc/bartender/public_key.pem", "The public key of the service."],
  ["/etc/default/bartender", "Its environment, one NAME=value per line."],
  ["/var/lib/bartender", "Its database and, normally, the directories of its jobs."],
  ["/run/bartender/console.sock", "The socket of its console, for root and the group bartender."],
] as const;

const EXAMPLES: readonly (readonly string[])[] = [
  ["See how the service is, and why a job does not go on:", "bartender console status", "bartender console why 17"],
  [
    "Check a changed configuration, then let the service take it over:",
    "bartender check-config",
    "systemctl reload bartender",
  ],
  [
    "Submit a directory, wait for the end of the job, and fetch its files:",
    "id=$(bartender submit DIRECTORY --application wc --wait)",
    'bartender download "$id"',
  ],
];
