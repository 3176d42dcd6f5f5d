import { assertNever } from "../src/core/assert_never.ts";
import { messageOf } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import { type Job, knownOutcome, placementOf } from "../src/core/job.ts";
import { reasonOfEnd } from "../src/core/job_reason.ts";
import type { AdminEvent } from "../src/ports/admin_service.ts";
import type { AuditEntry } from "../src/ports/admin_store.ts";
import type { HealthListener } from "./health_messages.ts";
import type { KernelEvent } from "./kernel/events.ts";

/** Events that are kept for those who come later. */
const KEPT = 200;

/** What happens in the daemon, for administrators who look on. */
export class EventFeed {
  readonly #recent: AdminEvent[] = [];
  readonly #listeners = new Set<(event: AdminEvent) => void>();

  emit(event: AdminEvent): void {
    this.#recent.push(event);
    if (this.#recent.length > KEPT) this.#recent.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Oldest first. */
  recent(): readonly AdminEvent[] {
    return [...this.#recent];
  }

  /** @param listener must not throw @returns a function that ends it; calling it again does nothing */
  listen(listener: (event: AdminEvent) => void): () => void {
    const own = (event: AdminEvent): void => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }
}

/** Adds what administrators want to see of the actors: faults and what follows from them. */
export function noteActorEvent(feed: EventFeed, event: KernelEvent, onMs: number): void {
  const add = (text: string): void => feed.emit({ onMs, type: "actor", subject: event.path, text });
  switch (event.type) {
    case "crashed":
      return add(`crashed: ${messageOf(event.error)}`);
    case "restart_planned":
      return add(`is started again in ${event.delayMs} ms`);
    case "gave_up":
      return add(`crashed too often and is given up: ${messageOf(event.error)}`);
    case "abandoned":
      return add("did not end in time and is abandoned");
    case "starting":
    case "started":
    case "stopping":
    case "ended":
    case "side_failure":
    case "dead_letter":
      return;
    default:
      return assertNever(event);
  }
}

/** Adds that a destination cannot use what it needs, or can again. */
export function noteHealth(feed: EventFeed, onMs: number, ...[name, part, reason]: Parameters<HealthListener>): void {
  const [well, ill] =
    part === "credential" ? ["can be used again", "cannot be used"] : ["answers again", "does not answer"];
  const text = `its ${part.replace("_", " ")} ${reason === null ? well : `${ill}: ${reason}`}`;
  feed.emit({ onMs, type: "destination", subject: `destination ${name}`, text });
}

/** Adds what an administrator has done, or tried. */
export function noteAction(feed: EventFeed, { onMs, by, action, target, outcome }: AuditEntry): void {
  feed.emit({ onMs, type: "admin", subject: target, text: `${action} by ${by}: ${outcome}` });
}

/** Adds the step that a job has just taken. @param job as it is saved; undefined when its row is gone */
export function noteJobStep(feed: EventFeed, id: JobId, job: Job | undefined, onMs: number): void {
  feed.emit({ onMs, type: "job", subject: `job ${id}`, text: job === undefined ? "is gone" : stepText(job) });
}

function stepText({ progress, application, submitter }: Job): string {
  const where = placementOf(progress)?.destination;
  const host = knownOutcome(progress)?.host;
  const reason = reasonOfEnd(progress);
  const at = host === undefined ? "" : `, host ${host}`;
  const parts = [progress.phase, where === undefined ? "" : `on ${where}${at}`, `(${application}, ${submitter})`];
  return `${parts.filter((part) => part !== "").join(" ")}${reason === null ? "" : `: ${reason}`}`;
}
