import { assertNever } from "./assert_never.ts";
import { type BackoffPolicy, backoffMs } from "./backoff.ts";

/** The parts of a destination that fail each by itself. */
export const DESTINATION_PARTS = ["scheduler", "file_system"] as const;
export type DestinationPart = (typeof DESTINATION_PARTS)[number];

/** What keeps jobs from a destination when it fails: a part, or the credential that all parts need. */
export type DestinationNeed = DestinationPart | "credential";

/** How well a part of a destination answers. Times are milliseconds on the clock that never goes back. */
export type Health =
  | {
      readonly state: "healthy";
      /** Tries in a row, of whatever jobs, without a definite answer. */
      readonly faults: number;
    }
  | {
      readonly state: "degraded";
      /** Why the newest try got no answer. */
      readonly reason: string;
      readonly sinceMs: number;
      readonly nextTryMs: number;
      /** True from the time of the next try until somebody makes it. */
      readonly isDue: boolean;
      /** Steps of the back-off since it last was healthy; one begins with each try. */
      readonly steps: number;
    }
  | {
      /** It answers again; those who waited come back a few at a time. */
      readonly state: "recovering";
      readonly sinceMs: number;
      readonly steps: number;
      /** How many tries may be under way at a time; more after each answer, and after some time without a fault. */
      readonly room: number;
      /** When there is more room even without an answer, as a try may last for hours. */
      readonly moreRoomMs: number;
    };

export type HealthEvent =
  /** A try got a definite answer, good or bad. */
  | { readonly type: "answered" }
  | {
      readonly type: "unanswered";
      readonly reason: string;
      /** False for a try that began before the part became degraded or answered again: it is no new evidence. */
      readonly isProbe: boolean;
    }
  /** The time of the next try has come, or that for more room. */
  | { readonly type: "probe_due" }
  /** Somebody makes that try. */
  | { readonly type: "probe_started" }
  /** Nobody waits for a try any more. */
  | { readonly type: "quiet" };

export const HEALTHY: Health = { state: "healthy", faults: 0 };

/** A single fault may be the job's own; so many in a row are the destination's. */
export const FAULTS_UNTIL_DEGRADED = 3;

/**
 * What is thought of a part after `event`. Pure. While it is degraded there is one try per step of the back-off; the
 * first answer opens it again, twice as wide with each further one, and a fault meanwhile goes on with the back-off.
 *
 * @param nowMs on the clock of {@link Health}
 * @param chance at least 0, below 1
 */
export function healthAfter(
  health: Health,
  event: HealthEvent,
  backoff: BackoffPolicy,
  nowMs: number,
  chance: number,
): Health {
  switch (health.state) {
    case "healthy":
      return whileHealthy(health, event, (reason) => degraded(reason, nowMs, 1));
    case "degraded":
      return whileDegraded(health, event, (reason, steps) => degraded(reason, health.sinceMs, steps), afterStepMs);
    case "recovering":
      return whileRecovering(health, event, (reason, steps) => degraded(reason, health.sinceMs, steps), afterStepMs);
    default:
      return assertNever(health);
  }

  function degraded(reason: string, sinceMs: number, steps: number): Health {
    return { state: "degraded", reason, sinceMs, nextTryMs: afterStepMs(steps), isDue: false, steps };
  }

  function afterStepMs(steps: number): number {
    return nowMs + backoffMs(backoff, steps, chance);
  }
}

type In<State extends Health["state"]> = Extract<Health, { state: State }>;
type Degrade = (reason: string, steps: number) => Health;
type AfterStep = (steps: number) => number;

function whileHealthy(health: In<"healthy">, event: HealthEvent, degrade: (reason: string) => Health): Health {
  switch (event.type) {
    case "answered":
      return health.faults === 0 ? health : HEALTHY;
    case "unanswered": {
      const faults = health.faults + 1;
      return faults < FAULTS_UNTIL_DEGRADED ? { state: "healthy", faults } : degrade(event.reason);
    }
    case "probe_due":
    case "probe_started":
    case "quiet":
      return health;
    default:
      return assertNever(event);
  }
}

function whileDegraded(health: In<"degraded">, event: HealthEvent, degrade: Degrade, afterStepMs: AfterStep): Health {
  switch (event.type) {
    case "answered": {
      const { sinceMs, steps } = health;
      return { state: "recovering", sinceMs, steps, room: 1, moreRoomMs: afterStepMs(steps) };
    }
    case "unanswered":
      return event.isProbe ? degrade(event.reason, health.steps) : health;
    case "probe_due":
      return { ...health, isDue: true };
    case "probe_started":
      // A try may last for hours, or never answer; the others do not wait for it longer than a step.
      return degrade(health.reason, health.steps + 1);
    case "quiet":
      return health;
    default:
      return assertNever(event);
  }
}

function whileRecovering(
  health: In<"recovering">,
  event: HealthEvent,
  degrade: Degrade,
  afterStepMs: AfterStep,
): Health {
  switch (event.type) {
    case "answered":
      return { ...health, room: health.room * 2 };
    case "unanswered":
      return event.isProbe ? degrade(event.reason, health.steps + 1) : health;
    case "probe_due":
      return { ...health, room: health.room * 2, moreRoomMs: afterStepMs(health.steps) };
    case "quiet":
      return HEALTHY;
    case "probe_started":
      return health;
    default:
      return assertNever(event);
  }
}

/**
 * How many further tries may begin now.
 *
 * @param underWay tries that were allowed since the part became degraded or answered again and have not ended
 */
export function roomForTries(health: Health, underWay: number): number {
  switch (health.state) {
    case "healthy":
      return Number.POSITIVE_INFINITY;
    case "degraded":
      return health.isDue ? 1 : 0;
    case "recovering":
      return Math.max(0, health.room - underWay);
    default:
      return assertNever(health);
  }
}
