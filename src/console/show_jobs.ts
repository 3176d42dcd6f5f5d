import type { PublicState } from "../core/job.ts";
import { type HoldingPerformer, span } from "../core/job_explanation.ts";
import type { AdminEvent, AdminJob, AdminJobDetail, Performer, Performers, TreeView } from "../ports/admin_service.ts";
import type { AuditEntry } from "../ports/admin_store.ts";
import { type Cell, harmless, harmlessLines, type Paint, table, widthOf } from "./paint.ts";

/** A reason that is cut shorter tells nothing; it is left out then, and `why` has all of it. */
const SHORTEST_REASON = 12;

const MAX_FAULT = 60;

/** On narrow terminals names are cut to this. */
const SHORT_NAME = 16;
const NARROW = 120;

/** @param columns of the terminal; names and reasons are cut to fit */
export function showJobs(jobs: readonly AdminJob[], nowMs: number, paint: Paint, columns = 160): string {
  if (jobs.length === 0) return "No job matches.\n";
  const head = ["ID", "STATE", "PHASE", "DESTINATION", "APPLICATION", "SUBMITTER", "AGE", "REASON"];
  const name = (text: string): string => (columns < NARROW ? shortened(harmless(text), SHORT_NAME) : harmless(text));
  const rows = jobs.map((job): readonly Cell[] => [
    String(job.id),
    { text: job.state, show: colourOf(job.state, paint) },
    phaseText(job),
    name(job.destination ?? "-"),
    name(job.application),
    name(job.submitter),
    span(nowMs - job.createdOnMs),
  ]);
  const room = columns - widthOf([head, ...rows]);
  if (room < SHORTEST_REASON) return table(head.slice(0, -1), rows, paint);
  const reasons = jobs.map(({ reason }) => shortened(harmless(reason ?? ""), room));
  return table(
    head,
    rows.map((row, at) => [...row, reasons[at] ?? ""]),
    paint,
  );
}

function phaseText({ phase, isHeld, queuePosition, priority }: AdminJob): string {
  const place = queuePosition === null ? "" : ` #${queuePosition}`;
  const moved = priority === 0 || phase !== "waiting" ? "" : ` (${priority > 0 ? "+" : ""}${priority})`;
  return isHeld && phase === "waiting" ? "held" : `${phase}${place}${moved}`;
}

function colourOf(state: PublicState, { good, bad, warn }: Paint): (text: string) => string {
  if (state === "ok") return good;
  if (state === "error") return bad;
  return state === "running" ? warn : (text) => text;
}

/** Everything about one job; `log` has the last lines of its output. */
export function showJob(job: AdminJobDetail, log: string, nowMs: number, paint: Paint): string {
  const facts: readonly (readonly [string, string | null])[] = [
    ["name", job.name],
    ["application", job.application],
    ["submitter", job.submitter],
    ["retry of", job.retryOf === null ? null : `job ${job.retryOf}`],
    ["state", `${job.state} (${phaseText(job)})`],
    ["reason", job.reason],
    ["exit status", job.returnCode === null ? null : String(job.returnCode)],
    ["destination", job.destination],
    ["attempt", job.attempt === 0 ? null : String(job.attempt)],
    ["tag", job.tag],
    ["scheduler id", job.schedulerJobId],
    ["performer", job.performer === null ? null : performerText(job.performer)],
    ["host", job.host],
    ["directory", job.directory],
    ["remote directory", job.remoteDirectory],
    ["created", moment(job.createdOnMs, nowMs)],
    ["submitted", moment(job.submittedOnMs, nowMs)],
    ["started", moment(job.startedOnMs, nowMs)],
    ["finished", moment(job.finishedOnMs, nowMs)],
    ["actor", job.actor === null ? null : actorText(job)],
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === null ? [] : `${paint.dim(name.padEnd(17))}${harmless(value)}\n`,
  );
  const history = job.history.map(({ onMs, phase, attempt, reason }): readonly Cell[] => [
    new Date(onMs).toISOString(),
    phase,
    attempt === 0 ? "-" : String(attempt),
    harmless(reason ?? ""),
  ]);
  return [
    `${paint.bold(`Job ${job.id}`)}\n`,
    ...lines,
    `\n${table(["SAVED", "PHASE", "ATTEMPT", "REASON"], history, paint)}`,
    log === "" ? "" : `\n${paint.dim("last lines of stdout.txt")}\n${harmlessLines(log).replace(/\n?$/, "\n")}`,
  ].join("");
}

function actorText({ actor }: AdminJobDetail): string | null {
  if (actor === null) return null;
  const fault = actor.lastFault === null ? "" : `, last fault: ${actor.lastFault.message}`;
  return `${actor.state}, ${actor.mailboxDepth} messages waiting, ${actor.restarts} restarts${fault}`;
}

function performerText({ name, host, silentForMs }: HoldingPerformer): string {
  return `${name} on host ${host}${silentForMs === null ? "" : `, silent for ${span(silentForMs)}`}`;
}

function moment(ms: number | null, nowMs: number): string | null {
  return ms === null ? null : `${new Date(ms).toISOString()} (${span(nowMs - ms)} ago)`;
}

/** The supervision tree, one line per actor. */
export function showTree(tree: TreeView, nowMs: number, paint: Paint): string {
  const rows: (readonly Cell[])[] = [];
  const add = (node: TreeView, indent: string): void => {
    const fault = node.lastFault;
    rows.push([
      `${indent}${harmless(node.id)}`,
      { text: node.state, show: node.state === "running" ? paint.good : paint.warn },
      node.kind === "actor" ? String(node.mailboxDepth) : "",
      node.restarts === 0 ? "" : String(node.restarts),
      fault === null ? "" : `${span(nowMs - fault.onMs)} ago: ${shortened(harmless(fault.message), MAX_FAULT)}`,
    ]);
    for (const child of node.children) add(child, `${indent}  `);
  };
  add(tree, "");
  return table(["ACTOR", "STATE", "MAILBOX", "RESTARTS", "LAST FAULT"], rows, paint);
}

/** @param withJobs adds which jobs each has */
export function showPerformers(
  { performers, unknown }: Performers,
  withJobs: boolean,
  nowMs: number,
  paint: Paint,
): string {
  const gaps = unknown.map(({ destination, reason, sinceOnMs }) => {
    const since = sinceOnMs === null ? "" : ` (for ${span(nowMs - sinceOnMs)})`;
    return `! ${harmless(destination)}: its performers are not known: ${harmless(reason)}${since}\n`;
  });
  const warnings = paint.warn(gaps.join(""));
  if (performers.length === 0) return unknown.length > 0 ? warnings : "No performer is there.\n";
  const rows = performers.map((each) => [
    harmless(each.name),
    harmless(each.destination),
    harmless(each.host),
    String(each.pid),
    harmless(each.release),
    `${each.running} of ${each.capacity}${each.isDraining ? ", takes no more" : ""}`,
    each.silentForMs === null ? "" : span(each.silentForMs),
    span(nowMs - each.sinceOnMs),
    ...(withJobs ? [jobsText(each)] : []),
  ]);
  const head = ["PERFORMER", "DESTINATION", "HOST", "PID", "VERSION", "RUNNING", "SILENT FOR", "SINCE"];
  const shown = table(withJobs ? [...head, "JOBS"] : head, rows, paint);
  return unknown.length === 0 ? shown : `${shown}\n${warnings}`;
}

function jobsText({ jobs, running }: Performer): string {
  const others = running - jobs.length;
  return [...jobs, ...(others > 0 ? [`${others} of other daemons`] : [])].join(", ");
}

export function showAudit(entries: readonly AuditEntry[], paint: Paint): string {
  if (entries.length === 0) return "Nothing was done yet.\n";
  const rows = entries.map(({ onMs, by, action, target, outcome }) => [
    new Date(onMs).toISOString(),
    harmless(by),
    action,
    harmless(target),
    harmless(outcome),
  ]);
  return table(["WHEN", "WHO", "ACTION", "TARGET", "OUTCOME"], rows, paint);
}

export function showEvent({ onMs, subject, text }: AdminEvent, paint: Paint): string {
  return `${paint.dim(new Date(onMs).toISOString())} ${paint.bold(harmless(subject))} ${harmless(text)}\n`;
}

function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
