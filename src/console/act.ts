import type { JsonObject, JsonValue } from "../core/json.ts";
import type { AdminJob, JobActionName, JobActionResult } from "../ports/admin_service.ts";
import type { ConsoleClient } from "./client.ts";
import { CONSOLE_EXIT, type ConsoleContext } from "./context.ts";
import { FILTERS, type FilterText } from "./job_query.ts";
import { decode } from "./wire.ts";

/** What to do to which jobs, as the command line says. */
export interface ActOptions extends FilterText {
  readonly action: JobActionName;
  readonly ids: readonly number[];
  readonly yes: boolean;
  readonly dryRun: boolean;
}

/** Does something to jobs after asking, where somebody can be asked; else `--yes` must have been given. */
export async function actOnJobs(
  context: ConsoleContext,
  { client, isJson }: { readonly client: ConsoleClient; readonly isJson: boolean },
  options: ActOptions,
): Promise<void> {
  const { action, ids, yes, dryRun } = options;
  const set = FILTERS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]] as const]));
  if (ids.length > 0 === set.length > 0) {
    context.err(`${action}: expected either numbers of jobs or filters such as --destination\n`);
    return context.fail(CONSOLE_EXIT.usage);
  }
  const jobs: JsonObject = ids.length > 0 ? { ids } : { filter: Object.fromEntries(set) };
  const ask = (chosen: JsonObject, isDryRun: boolean): Promise<JsonValue> =>
    client.raw("POST", `/jobs/${action}`, { ...chosen, dry_run: isDryRun });
  let answer = await ask(jobs, dryRun || !yes);
  if (!dryRun && !yes) {
    const planned = decode<readonly JobActionResult[]>(answer);
    const possible = planned.filter(({ result }) => result === "done");
    if (possible.length > 0) {
      if (!(await isWanted(context, action, possible))) {
        context.err("Nothing was done.\n");
        return context.fail(CONSOLE_EXIT.refused);
      }
      // What has come to match the filters meanwhile was not asked about.
      answer = await ask({ ids: planned.map(({ id }) => id) }, false);
    }
  }
  const results = decode<readonly JobActionResult[]>(answer);
  if (isJson) context.out(`${JSON.stringify(answer, null, 2)}\n`);
  else context.out(textOf(results));
  if (results.some(({ result }) => result === "refused")) context.fail(CONSOLE_EXIT.refused);
  else if (results.some(({ result }) => result === "not_found")) context.fail(CONSOLE_EXIT.notFound);
}

async function isWanted(
  { confirm, err }: ConsoleContext,
  action: JobActionName,
  jobs: readonly Pick<AdminJob, "id">[],
): Promise<boolean> {
  if (confirm === undefined) {
    err(`${action}: nobody can be asked here; give --yes to do it, or --dry-run to see it\n`);
    return false;
  }
  const shown = jobs
    .slice(0, 10)
    .map(({ id }) => id)
    .join(", ");
  const more = jobs.length > 10 ? ` and ${jobs.length - 10} more` : "";
  const what = jobs.length === 1 ? `job ${shown}` : `${jobs.length} jobs (${shown}${more})`;
  return await confirm(`${action} ${what}?`);
}

function textOf(results: readonly JobActionResult[]): string {
  if (results.length === 0) return "No job matches.\n";
  return results.map(({ id, outcome }) => `Job ${id}: ${outcome}\n`).join("");
}
