import { assertNever } from "./assert_never.ts";
import { type BackoffPolicy, backoffMs } from "./backoff.ts";

/** What is known about a credential. Times are milliseconds on the clock that never goes back. */
export type CredentialState =
  /** It was not looked at yet, or has just ended and is being made anew. */
  | { readonly state: "unknown" }
  | {
      readonly state: "valid";
      readonly endsMs: number;
      /** Why it could not be renewed or looked at when it was time to; null when all is well. */
      readonly trouble: string | null;
    }
  | { readonly state: "lost"; readonly reason: string; readonly sinceMs: number };

/** What its keeper is about. */
export type CareStep =
  | { readonly type: "check" }
  | { readonly type: "make" }
  /** A look at what was just made. */
  | { readonly type: "confirm" }
  | { readonly type: "wait"; readonly untilMs: number };

export interface Care {
  readonly credential: CredentialState;
  readonly step: CareStep;
  /** Steps in a row that came to nothing. */
  readonly failures: number;
}

export type CareEvent =
  /** The wait is over. */
  | { readonly type: "due" }
  | {
      /** The look at it was answered. */
      readonly type: "checked";
      /** How long it may still be used; 0 when not at all. */
      readonly leftMs: number;
      /** Why it cannot be used, when it cannot. */
      readonly reason: string;
    }
  | { readonly type: "made" }
  /** Making it, or looking at it, came to nothing. */
  | { readonly type: "failed"; readonly reason: string };

export interface CarePolicy {
  /** It is renewed when no more than this is left, in milliseconds. */
  readonly minLifeMs: number;
  /** How often it is looked at even when much is left: somebody may have removed or replaced it. */
  readonly checkEveryMs: number;
  readonly backoff: BackoffPolicy;
}

export const NOT_LOOKED_AT: Care = { credential: { state: "unknown" }, step: { type: "check" }, failures: 0 };

/**
 * What is known about a credential, and what its keeper does next, after `event`. Pure.
 *
 * @param nowMs on the clock of {@link CredentialState}
 * @param chance at least 0, below 1
 */
export function careAfter(care: Care, event: CareEvent, policy: CarePolicy, nowMs: number, chance: number): Care {
  switch (event.type) {
    case "due":
      return { ...care, step: { type: "check" } };
    case "made":
      return { ...care, step: { type: "confirm" } };
    case "checked":
      return care.step.type === "confirm" ? afterConfirmed(event) : afterChecked(event);
    case "failed":
      return afterFailure(event.reason);
    default:
      return assertNever(event);
  }

  function afterChecked({ leftMs, reason }: Extract<CareEvent, { type: "checked" }>): Care {
    if (leftMs > policy.minLifeMs) return keep(leftMs);
    const before = care.credential;
    const trouble = before.state === "valid" ? before.trouble : null;
    const credential: CredentialState =
      leftMs > 0
        ? { state: "valid", endsMs: nowMs + leftMs, trouble }
        : before.state === "lost"
          ? { ...before, reason }
          : { state: "unknown" };
    return { credential, step: { type: "make" }, failures: care.failures };
  }

  function afterConfirmed({ leftMs, reason }: Extract<CareEvent, { type: "checked" }>): Care {
    return leftMs > 0 ? keep(leftMs) : afterFailure(reason);
  }

  function keep(leftMs: number): Care {
    // One that never lasts long enough is made anew at half its life, not again and again.
    const quietMs =
      leftMs > policy.minLifeMs ? leftMs - policy.minLifeMs : Math.max(leftMs / 2, policy.backoff.initialMs);
    return {
      credential: { state: "valid", endsMs: nowMs + leftMs, trouble: null },
      step: { type: "wait", untilMs: nowMs + Math.min(quietMs, policy.checkEveryMs) },
      failures: 0,
    };
  }

  function afterFailure(reason: string): Care {
    const failures = care.failures + 1;
    const nextMs = nowMs + backoffMs(policy.backoff, failures, chance);
    const before = care.credential;
    if (before.state === "valid" && before.endsMs > nowMs) {
      const step: CareStep = { type: "wait", untilMs: Math.min(nextMs, before.endsMs) };
      return { credential: { ...before, trouble: reason }, step, failures };
    }
    const sinceMs = before.state === "lost" ? before.sinceMs : nowMs;
    return { credential: { state: "lost", reason, sinceMs }, step: { type: "wait", untilMs: nextMs }, failures };
  }
}
