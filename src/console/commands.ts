import { Argument, Command, Option } from "commander";
import { didYouMean } from "../config/nearest.ts";
import type { JsonValue } from "../core/json.ts";
import {
  type AdminJob,
  type AdminJobDetail,
  type DaemonStatus,
  type Explanation,
  JOB_ACTIONS,
  JOB_SORTS,
  type JobActionName,
  type Performers,
  type ReloadReport,
  type TreeView,
} from "../ports/admin_service.ts";
import type { AuditEntry } from "../ports/admin_store.ts";
import { actOnJobs } from "./act.ts";
import { type ConsoleClient, ConsoleRefusal } from "./client.ts";
import { CONSOLE_EXIT_TEXT, type ConsoleContext } from "./context.ts";
import { followEvents, followLog, lastLines } from "./follow.ts";
import { HELP_STYLE } from "./help_style.ts";
import { FILTERS, type FilterText } from "./job_query.ts";
import { NAME_KINDS, NAMES_COMMAND, type NameKind, namesOf } from "./names.ts";
import { wrapped } from "./paint.ts";
import { showAudit, showJob, showJobs, showPerformers, showTree } from "./show_jobs.ts";
import { showStatus } from "./show_status.ts";
import { followJson, runTop } from "./top.ts";

/** Where the console is, and in which form it shall answer. */
interface Given {
  readonly client: ConsoleClient;
  readonly isJson: boolean;
}

/**
 * The command `console` with all its sub commands; the one source of its help, and of completions.
 *
 * @param interactive what happens without a sub command
 */
export function consoleCommand(
  context: ConsoleContext,
  interactive: (socket: string | undefined) => Promise<void>,
): Command {
  const root = new Command("console")
    .description("look at a running daemon and steer it, over its Unix socket")
    .option("--socket <path>", "socket of the daemon (default: $BARTENDER_CONSOLE_SOCKET, else where serve puts it)")
    .addHelpText("after", EXIT_HELP)
    .configureHelp(HELP_STYLE)
    .configureOutput({ writeOut: (text) => context.out(text), writeErr: (text) => context.err(text) })
    .exitOverride()
    .showSuggestionAfterError()
    .helpCommand("help [command]", "what there is, or how a command is used")
    .allowExcessArguments()
    .action(() => {
      const [unknown] = root.args;
      if (unknown !== undefined) {
        const known = root.createHelp().visibleCommands(root);
        const meant = didYouMean(
          unknown,
          known.map((each) => each.name()),
        );
        root.error(`error: unknown command '${unknown}'${meant}; \`help\` lists them`);
      }
      return interactive(socketOf(root));
    });
  const { out, paint } = context;

  /** Adds a command that answers as text or, with `--json`, as the daemon's own JSON. */
  const add = (signature: string, description: string): Command =>
    root.command(signature).description(description).option("--json", "answer with JSON", false);
  const given = (command: Command): Given => ({
    client: context.connect(socketOf(root)),
    isJson: command.opts<{ json: boolean }>().json,
  });
  const tell = async <T>({ client, isJson }: Given, path: string, show: (value: T) => string): Promise<void> => {
    if (isJson) out(`${JSON.stringify(await client.raw("GET", path), null, 2)}\n`);
    else out(show(await client.get<T>(path)));
  };
  const change = async <T>({ client, isJson }: Given, path: string, body: JsonValue, show: (value: T) => string) => {
    if (isJson) out(`${JSON.stringify(await client.raw("POST", path, body), null, 2)}\n`);
    else out(show(await client.post<T>(path, body)));
  };

  add("status", "how the daemon and its destinations are, and what is wrong").action((_, command) =>
    tell<DaemonStatus>(given(command), "/status", (status) => showStatus(status, paint, context.columns())),
  );

  const lists = [
    ["queue", "jobs that have not come to their end, oldest first", { state: "unfinished", sort: "oldest" }],
    ["jobs", "jobs of everybody, newest first", {}],
  ] as const;
  for (const [name, description, preset] of lists) {
    const list = withFilters(add(name, description))
      .addOption(new Option("--sort <order>", "newest, oldest, or a column of what is listed").choices(JOB_SORTS))
      .option("--limit <number>", "how many at most", "50")
      .option("--watch", "show them again every two seconds, until Ctrl-C", false);
    list.action(async (options: Record<string, string | boolean>) => {
      const texts = Object.entries({ ...preset, ...options }).flatMap(([option, value]) =>
        typeof value === "string" ? [[option, value] as const] : [],
      );
      const path = `/jobs?${new URLSearchParams(Object.fromEntries(texts)).toString()}`;
      const show = (jobs: readonly AdminJob[]): string => showJobs(jobs, context.nowMs(), paint, context.columns());
      const where = given(list);
      const signal = context.stopping();
      for (;;) {
        await tell(where, path, show);
        if (options.watch !== true) return;
        await context.sleep(WATCH_MS, signal);
        if (signal.aborted) return;
        out("\n");
      }
    });
  }

  add("job <id>", "everything about a job").action(async (id: string, _, command) => {
    const where = given(command);
    const log = where.isJson ? "" : await lastLines(where.client, number(id), 10);
    await tell<AdminJobDetail>(where, `/jobs/${number(id)}`, (job) => showJob(job, log, context.nowMs(), paint));
  });
  add("why <id>", "what a job waits for or why it failed, and what to do").action((id: string, _, command) =>
    tell<Explanation>(given(command), `/jobs/${number(id)}/why`, ({ text }) => `${wrapped(text, context.columns())}\n`),
  );
  add("logs <id>", "what the command of a job prints")
    .option("-f, --follow", "go on until the job ends", false)
    .option("--stderr", "its standard error", false)
    .option("--lines <number>", "how many of the last lines", "20")
    .action((id: string, options: { follow: boolean; stderr: boolean; lines: string; json: boolean }, command) =>
      followLog(context, given(command).client, { ...options, id: number(id) }),
    );
  add("tree", "the actors, with what waits in their mailboxes, restarts and last faults").action((_, command) =>
    tell<TreeView>(given(command), "/tree", (tree) => showTree(tree, context.nowMs(), paint)),
  );
  add("performers", "the performers of destinations with the scheduler arq")
    .option("--jobs", "also which jobs each has", false)
    .action(({ jobs }: { jobs: boolean }, command) =>
      tell<Performers>(given(command), "/performers", (all) => showPerformers(all, jobs, context.nowMs(), paint)),
    );
  add("events", "what has happened")
    .option("-f, --follow", "go on until Ctrl-C", false)
    .action(({ follow }: { follow: boolean }, command) => {
      const { client, isJson } = given(command);
      return followEvents(context, client, { isFollowed: follow, isJson });
    });
  add("top", "destinations and jobs on the whole screen; p pauses, q quits").action((_, command) => {
    const { client, isJson } = given(command);
    return isJson ? followJson(context, client) : runTop(context, client);
  });
  root
    .command(NAMES_COMMAND, { hidden: true })
    .addArgument(new Argument("<kind>").choices(NAME_KINDS))
    .action(async (kind: NameKind) => {
      const names = await namesOf(context.connect(socketOf(root)), kind);
      out(names.map((name) => `${name}\n`).join(""));
    });
  add("audit", "what administrators did")
    .option("--limit <number>", "how many at most", "50")
    .action(({ limit }: { limit: string }, command) =>
      tell<readonly AuditEntry[]>(given(command), `/audit?limit=${encodeURIComponent(limit)}`, (entries) =>
        showAudit(entries, paint),
      ),
    );

  for (const action of JOB_ACTIONS) {
    withFilters(add(`${action} [ids...]`, ACTIONS[action]))
      .option("--yes", "do not ask", false)
      .option("--dry-run", "only tell what would be done", false)
      .action((ids: readonly string[], options: FilterText & { yes: boolean; dryRun: boolean }, command) =>
        actOnJobs(context, given(command), { action, ids: ids.map(number), ...options }),
      );
  }
  for (const [action, description] of [
    ["hold", "keep a waiting job from being started"],
    ["release", "let a job go that was held"],
  ] as const) {
    add(`${action} <id>`, description).action((id: string, _, command) =>
      change<{ outcome: string }>(
        given(command),
        `/jobs/${number(id)}/${action}`,
        {},
        ({ outcome }) => `Job ${id}: ${outcome}\n`,
      ),
    );
  }
  add("priority <id> <priority>", "let a waiting job go before (above 0) or after (below 0) all others; -100 to 100")
    .allowUnknownOption()
    .action((id: string, priority: string, _, command) =>
      change<{ outcome: string }>(
        given(command),
        `/jobs/${number(id)}/priority`,
        { priority },
        ({ outcome }) => `Job ${id}: ${outcome}\n`,
      ),
    );
  for (const [action, mode, description, said] of MODES) {
    add(`${action} <destination>`, description).action((name: string, _, command) =>
      change(given(command), `/destinations/${encodeURIComponent(name)}/mode`, { mode }, () => `${name}: ${said}\n`),
    );
  }
  add("loglevel [level]", "show or change the level of the daemon's log, until its next start").action(
    (level: string | undefined, _, command) => {
      const show = (now: { level: string; levels: readonly string[] }): string =>
        `${now.level} (of ${now.levels.join(", ")})\n`;
      return level === undefined
        ? tell(given(command), "/loglevel", show)
        : change(given(command), "/loglevel", { level }, show);
    },
  );
  add("reload", "let the daemon read its configuration again").action((_, command) =>
    change<ReloadReport>(given(command), "/reload", {}, ({ lines }) =>
      ["The configuration was taken over", ...lines].map((line) => `${line}\n`).join(""),
    ),
  );
  return root;
}

const WATCH_MS = 2_000;

const ACTIONS: Readonly<Record<JobActionName, string>> = {
  cancel: "end jobs, which stay as failed ones",
  delete: "end jobs and remove them with all their files",
  retry: "try at once what jobs wait to try again, and submit failed jobs again, as new ones",
};

const MODES = [
  ["pause", "paused", "start no waiting job; what runs goes on", "paused; no waiting job is started"],
  [
    "drain",
    "draining",
    "the same, and hand no new job to it, so that nothing is left there in the end",
    "draining; nothing new goes there, what runs goes on",
  ],
  ["resume", "open", "take it back into use", "open; jobs are started again"],
] as const;

const EXIT_HELP = `
Without a command it asks for commands, with history (arrows), completion (Tab) and help.

Exit status: ${CONSOLE_EXIT_TEXT}.`;

function socketOf(root: Command): string | undefined {
  return root.opts<{ socket?: string }>().socket;
}

function withFilters(command: Command): Command {
  for (const name of FILTERS) command.addOption(new Option(...FILTER_OPTIONS[name]).helpGroup("Filters:"));
  return command;
}

const FILTER_OPTIONS: Readonly<Record<(typeof FILTERS)[number], readonly [string, string]>> = {
  state: ["--state <states>", "only these, with commas: new, queued, running, staging_out, ok, error, unfinished"],
  destination: ["--destination <name>", "only jobs that were handed to it"],
  application: ["--application <name>", "only jobs of it"],
  submitter: ["--submitter <name>", "only jobs of this user"],
  reason: ["--reason <text>", "only jobs with this in their reason"],
  older: ["--older <age>", "only jobs submitted longer ago: 90s, 15m, 2h, 3d, 1w"],
  younger: ["--younger <age>", "only jobs submitted since then"],
};

function number(text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw new ConsoleRefusal(422, `expected the number of a job, got ${JSON.stringify(text)}`);
  }
  return Number(text);
}
