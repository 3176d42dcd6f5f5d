import { assertNever } from "./assert_never.ts";
import type { DestinationNeed } from "./destination_health.ts";
import type { DestinationMode } from "./destination_mode.ts";
import { type Job, type Outcome, type Progress, placementOf, publicState } from "./job.ts";

/** What is known around a job that an administrator asks about; null is not known. */
export interface Surroundings {
  readonly nowMs: number;
  /** What its user is told. */
  readonly reason: string | null;
  readonly mode: DestinationMode;
  readonly isDestinationMissing: boolean;
  readonly isHeld: boolean;
  /** From 1. */
  readonly queuePosition: number | null;
  readonly slots: { readonly capacity: number | null; readonly held: number } | null;
  readonly outages: readonly Outage[];
  readonly pollInMs: number | null;
  /** Of a job that waits for a performer; null where there are none. */
  readonly performers: SeenPerformers | null;
  /** The performer that has the job. */
  readonly performer: HoldingPerformer | null;
}

/** The performers of a destination, as far as they are known. */
export type SeenPerformers<P extends SeenPerformer = SeenPerformer> =
  | { readonly isKnown: true; readonly performers: readonly P[] }
  | { readonly isKnown: false; readonly reason: string; readonly sinceMs: number | null };

export interface SeenPerformer {
  readonly capacity: number;
  readonly running: number;
  readonly isDraining: boolean;
  readonly silentForMs: number | null;
}

/** The performer that has a job, and where it is. */
export interface HoldingPerformer {
  readonly name: string;
  readonly host: string;
  /** How long it has not been heard of; null when that is no longer than usual. */
  readonly silentForMs: number | null;
}

/** A part of a destination that does not answer, or a credential that cannot be used. */
export interface Outage {
  readonly part: DestinationNeed;
  readonly reason: string;
  readonly sinceMs: number;
  readonly nextTryMs: number;
}

/** Why a job is where it is, and what can be done about it, as one paragraph for administrators. Pure. */
export function explain(job: Job, around: Surroundings): string {
  const state = publicState(job.progress);
  const placement = placementOf(job.progress);
  const where = placement === null ? "" : ` on destination ${placement.destination}`;
  const since = span(around.nowMs - (job.finishedOnMs ?? job.updatedOnMs));
  const how =
    job.progress.phase === "finished"
      ? `ended as ${state}${where} ${since} ago`
      : `has been ${state}${where} for ${since}`;
  const head = `Job ${job.id} (${job.application}, submitted by ${job.submitter}) ${how}.`;
  return [head, situation(job, around), ...hindrances(job.progress, around), advice(job, around)]
    .filter((sentence) => sentence !== "")
    .join(" ");
}

function situation(job: Job, around: Surroundings): string {
  const { progress } = job;
  switch (progress.phase) {
    case "accepted":
      return around.reason === null ? "A destination is being chosen for it." : sentence(around.reason);
    case "staging_in":
      return "Its input has to be copied to the destination before it can be started.";
    case "waiting":
      return whileWaiting(around);
    case "submitting":
      return "It is being handed to the scheduler.";
    case "queued":
      if (around.performer !== null) {
        const begin = `Its command starts when its files are there; the scheduler calls it ${progress.schedulerJobId}.`;
        return `${begin}${whoHasIt(around)} The log of that performer tells what keeps it.`;
      }
      return [
        `It waits in the queue of the scheduler, which calls it ${progress.schedulerJobId}.`,
        progress.note === null ? "" : ` The scheduler says: ${sentence(progress.note)}`,
        around.performers === null ? "" : ` ${whoMayTakeIt(progress.destination, around.performers, around.nowMs)}`,
        around.mode === "open" || around.performers === null
          ? ""
          : ` That the destination is ${around.mode} does not keep it from starting, as it was handed over already.`,
      ].join("");
    case "running": {
      const runs = job.startedOnMs === null ? "" : ` for ${span(around.nowMs - job.startedOnMs)}`;
      const isAnswering = around.outages.every(({ part }) => part !== "scheduler");
      const poll =
        around.pollInMs === null || !isAnswering ? "" : ` The scheduler is asked again in ${span(around.pollInMs)}.`;
      return `Its command has been running${runs}; the scheduler calls it ${progress.schedulerJobId}.${whoHasIt(around)}${poll}`;
    }
    case "cancelling":
      return (
        `It is being ended (${progress.cancellation.reason}), and waits for the proof that nothing of it is left.` +
        whoHasIt(around)
      );
    case "staging_out":
      return `Its command has ended${hadBy(progress.outcome)}, and its output has to be copied back.`;
    case "closing":
      return `Its command has ended${hadBy(progress.outcome)}, and its copy at the destination has to be removed.`;
    case "finished":
      return progress.outcome.isOk
        ? `Its command ended well${hadBy(progress.outcome)}, and nothing is left to do.`
        : `It failed${hadBy(progress.outcome)}: ${sentence(around.reason ?? "nobody knows why")}`;
    case "deleting":
      return "Its files are being removed.";
    default:
      return assertNever(progress);
  }
}

function whoHasIt({ performer }: Surroundings): string {
  if (performer === null) return "";
  const { name, host, silentForMs } = performer;
  const silence = silentForMs === null ? "" : `, and has not been heard of for ${span(silentForMs)}`;
  return ` Performer ${name} on host ${host} has it${silence}.`;
}

function hadBy({ host }: Outcome): string {
  return host === undefined ? "" : ` on host ${host}`;
}

function whoMayTakeIt(destination: string, seen: SeenPerformers, nowMs: number): string {
  if (!seen.isKnown) {
    const why = seen.sinceMs === null ? seen.reason : `Redis has not answered for ${span(nowMs - seen.sinceMs)}`;
    return `Whether a performer is there for it is not known: ${sentence(why)}`;
  }
  const { performers } = seen;
  if (performers.length === 0) {
    return `No performer is there to run it; \`bartender perform --destination ${destination}\` starts one.`;
  }
  const silent = performers.filter(({ silentForMs }) => silentForMs !== null);
  const heard = performers.filter(({ silentForMs }) => silentForMs === null);
  const draining = heard.filter(({ isDraining }) => isDraining);
  const open = heard.filter(({ isDraining }) => !isDraining);
  const room = open.reduce((sum, { capacity, running }) => sum + Math.max(0, capacity - running), 0);
  const most = Math.max(0, ...silent.map(({ silentForMs }) => silentForMs ?? 0));
  if (room > 0) {
    const free = `Of ${counted(performers.length, "performer")} ${open.length} can be used, with room for ${counted(room, "more job")}`;
    if (silent.length === 0) return `${free}; it starts when those before it have.`;
    const missing = `${silent.length} ${silent.length === 1 ? "has" : "have"} not been heard of for ${span(most)}`;
    return `${free}; ${missing}, and a job that was there before a restart of Redis waits until all are heard or count as lost.`;
  }
  const why = [
    [open.length, `${open.length === 1 ? "runs" : "run"} as many jobs as may run at a time`],
    [draining.length, `${draining.length === 1 ? "takes" : "take"} no more jobs, being stopped or with a full disk`],
    [silent.length, `${silent.length === 1 ? "has" : "have"} not been heard of for ${span(most)}`],
  ] as const;
  const reasons = why.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  return `No performer has room for it: of ${counted(performers.length, "performer")} ${reasons.join(", ")}.`;
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function whileWaiting({ isHeld, mode, slots, queuePosition }: Surroundings): string {
  if (isHeld) return "An administrator holds it back.";
  if (mode === "paused") return "The destination is paused by an administrator, so no waiting job is started.";
  if (mode === "draining") return "The destination is being drained by an administrator, so no waiting job is started.";
  const place = queuePosition === null ? "" : ` It is number ${queuePosition} in the queue.`;
  if (slots === null) return `It waits for a run slot.${place}`;
  return `It waits for a run slot; ${slots.held} of ${slots.capacity ?? "any number"} are taken.${place}`;
}

function hindrances(progress: Progress, around: Surroundings): readonly string[] {
  if (progress.phase === "finished" || progress.phase === "accepted") return [];
  if (around.isDestinationMissing) return ["That destination is not in the configuration any more."];
  const outages = around.outages.map(({ part, reason, sinceMs, nextTryMs }) => {
    const next = nextTryMs > around.nowMs ? `; it is tried again in ${span(nextTryMs - around.nowMs)}` : "";
    return `${MISSING[part]} for ${span(around.nowMs - sinceMs)}: ${reason}${next}.`;
  });
  if (outages.length > 0) return outages;
  const isTold = progress.phase === "queued" || progress.phase === "cancelling";
  return around.reason === null || isTold ? [] : [sentence(around.reason)];
}

const MISSING: Readonly<Record<DestinationNeed, string>> = {
  scheduler: "The scheduler has not answered",
  file_system: "The file system has not answered",
  credential: "Its proxy has not been usable",
};

function advice(job: Job, around: Surroundings): string {
  const { progress } = job;
  const name = placementOf(progress)?.destination;
  if (progress.phase === "finished") {
    if (progress.outcome.isOk) return "";
    return `Look at its output with \`logs ${job.id} --stderr\`; \`retry ${job.id}\` submits it again, as a new job.`;
  }
  if (around.isDestinationMissing) return `Put ${name} back into the configuration, or \`cancel ${job.id}\`.`;
  if (around.outages.length > 0 && progress.phase !== "accepted") {
    const meanwhile = `\`drain ${name}\` keeps further jobs away meanwhile.`;
    return around.outages.some(({ part }) => part === "credential")
      ? `Nothing is lost: it goes on by itself as soon as there is a valid one; ${meanwhile}`
      : "Nothing is lost: it goes on by itself as soon as that answers. Check the host, the network and the login " +
          `(\`bartender check-config --probe\`); ${meanwhile}`;
  }
  if (progress.phase === "waiting") {
    if (around.isHeld) return `\`release ${job.id}\` lets it go.`;
    if (around.mode !== "open") return `\`resume ${name}\` lets it go on.`;
    return `It starts by itself when it is its turn; \`priority ${job.id} 10\` moves it to the front.`;
  }
  if (progress.phase === "accepted" && around.reason !== null) return `\`retry ${job.id}\` tries again at once.`;
  return progress.phase === "queued" || progress.phase === "running" ? `\`cancel ${job.id}\` ends it.` : "";
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** A length of time in words, rounded: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`. Pure. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
