import type { Phase } from "../core/job.ts";
import { span } from "../core/job_explanation.ts";
import type { DaemonStatus, DestinationStatus, PartStatus } from "../ports/admin_service.ts";
import { type Cell, harmless, type Paint, table, wrapped } from "./paint.ts";

/**
 * How the daemon is, for people: what is wrong stands at the end, where the eye is.
 *
 * @param columns of the terminal; longer lines are broken between words
 */
export function showStatus(status: DaemonStatus, paint: Paint, columns = Number.POSITIVE_INFINITY): string {
  const { version, runtime, pid, nowOnMs, startedOnMs, database } = status;
  const load = `load ${status.load} on ${status.cpus} CPUs, ${Math.round(status.memoryBytes / 1_048_576)} MB`;
  const answers =
    database.fault === null
      ? paint.good(`answers in ${database.latencyMs ?? 0} ms`)
      : paint.bad(`does not answer: ${database.fault}`);
  const lines = [
    `${paint.bold(`Bartender ${version}`)} (${runtime}, process ${pid}), up ${span(nowOnMs - startedOnMs)}, ${load}`,
    `Database ${database.name} ${answers}`,
    `${status.actors} actors, ${status.restarts} restarts`,
  ];
  const problems = problemsOf(status);
  return [
    `${lines.join("\n")}\n\n`,
    destinationTable(status, paint),
    status.unplaced === 0 ? "" : `${count(status.unplaced, "job")} without a destination yet\n`,
    "\n",
    problems.length === 0
      ? paint.good("Everything is well.\n")
      : problems.map((line) => `${paint.bad("!")} ${wrapped(line, columns - 2, "  ")}\n`).join(""),
    ...pastFaults(status).map((line) => `${paint.dim(wrapped(line, columns, "  "))}\n`),
  ].join("");
}

const HEAD = ["DESTINATION", "MODE", "HEALTH", "SLOTS", "WAITING", "RUNNING", "STAGING", "NEXT POLL"];

function destinationTable({ destinations, nowOnMs, database }: DaemonStatus, paint: Paint): string {
  const counted = (destination: DestinationStatus, phases: readonly Phase[]): string =>
    database.fault === null ? String(inPhases(destination, phases)) : "?";
  const rows = destinations.map((destination): readonly Cell[] => {
    const { name, mode, slots, poll } = destination;
    return [
      name,
      { text: modeText(destination), show: mode === "open" ? paint.good : paint.warn },
      healthCell(destination, paint),
      slots === null ? "?" : `${slots.held}/${slots.capacity ?? "∞"}`,
      counted(destination, ["waiting"]),
      counted(destination, ["submitting", "queued", "running", "cancelling"]),
      counted(destination, ["staging_in", "staging_out", "closing"]),
      poll === null ? "?" : poll.jobs === 0 ? "-" : `in ${span(poll.nextOnMs - nowOnMs)}`,
    ];
  });
  return table(HEAD, rows, paint);
}

/** A drained destination has nothing left to do. */
function modeText({ mode, phases }: DestinationStatus): string {
  if (mode !== "draining") return mode;
  const left = phases.reduce((sum, { phase, count: jobs }) => sum + (phase === "waiting" ? 0 : jobs), 0);
  return left === 0 ? "drained" : "draining";
}

function healthCell({ scheduler, fileSystem, credential }: DestinationStatus, paint: Paint): Cell {
  if (scheduler === null || fileSystem === null) return { text: "unknown", show: paint.warn };
  const isHealthy = scheduler.isHealthy && fileSystem.isHealthy && credential?.isHealthy !== false;
  return isHealthy ? { text: "healthy", show: paint.good } : { text: "degraded", show: paint.bad };
}

function inPhases({ phases }: DestinationStatus, wanted: readonly Phase[]): number {
  return phases.filter(({ phase }) => wanted.includes(phase)).reduce((sum, { count: jobs }) => sum + jobs, 0);
}

function problemsOf(status: DaemonStatus): readonly string[] {
  const { destinations, nowOnMs, database, lastCrash } = status;
  return [
    ...(database.fault === null ? [] : [`The database does not answer: ${database.fault}`]),
    ...destinations.flatMap((destination) => [
      ...partProblem("scheduler", destination.name, destination.scheduler, nowOnMs),
      ...partProblem("file system", destination.name, destination.fileSystem, nowOnMs),
      ...credentialProblem(destination, nowOnMs),
      ...modeNote(destination, nowOnMs),
    ]),
    ...(lastCrash === null
      ? []
      : [`Last crash, ${span(nowOnMs - lastCrash.onMs)} ago: ${harmless(lastCrash.message)}`]),
  ];
}

/** What is over, but worth to know. */
function pastFaults({ destinations, nowOnMs }: DaemonStatus): readonly string[] {
  return destinations.flatMap(({ name, scheduler, fileSystem }) =>
    (
      [
        ["scheduler", scheduler],
        ["file system", fileSystem],
      ] as const
    ).flatMap(([part, status]) =>
      status?.isHealthy === true && status.lastFault !== null
        ? [
            `${name}: last fault of its ${part}, ${span(nowOnMs - status.lastFault.onMs)} ago: ${harmless(status.lastFault.message)}`,
          ]
        : [],
    ),
  );
}

function partProblem(part: string, name: string, status: PartStatus | null, nowMs: number): readonly string[] {
  if (status === null) return [`${name}: its ${part} is not known right now; look at \`tree\``];
  if (status.isHealthy || status.sinceOnMs === null) return [];
  return [`${name}: its ${part} has not answered for ${span(nowMs - status.sinceOnMs)}: ${reasonOf(status, nowMs)}`];
}

function credentialProblem({ name, credential }: DestinationStatus, nowMs: number): readonly string[] {
  if (credential === null) return [];
  const what = harmless(credential.name);
  if (credential.sinceOnMs !== null) {
    const since = span(nowMs - credential.sinceOnMs);
    return [`${name}: its ${what} has not been usable for ${since}: ${reasonOf(credential, nowMs)}`];
  }
  if (credential.trouble === null || credential.endsOnMs === null) return [];
  const left = span(credential.endsOnMs - nowMs);
  const why = `${harmless(credential.trouble)} (${nextTry(credential, nowMs)})`;
  return [`${name}: its ${what} ends in ${left} and could not be renewed: ${why}`];
}

function reasonOf(status: PartStatus, nowMs: number): string {
  const reason = harmless(status.lastFault?.message ?? "no reason is known");
  const waiting = status.waiting === 0 ? "" : `, ${count(status.waiting, "job")} waiting for it`;
  return `${reason} (${nextTry(status, nowMs)}${waiting})`;
}

function nextTry({ nextTryOnMs }: PartStatus, nowMs: number): string {
  return (nextTryOnMs ?? 0) > nowMs ? `next try in ${span((nextTryOnMs ?? 0) - nowMs)}` : "trying";
}

function modeNote({ name, mode, modeBy, modeOnMs }: DestinationStatus, nowMs: number): readonly string[] {
  if (mode === "open") return [];
  const who = modeBy === null || modeOnMs === null ? "" : ` by ${harmless(modeBy)} ${span(nowMs - modeOnMs)} ago`;
  return [`${name}: ${mode === "paused" ? "paused" : "set to drain"}${who}; \`resume ${name}\` brings it back`];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
