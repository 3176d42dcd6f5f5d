import type { DestinationNeed, DestinationPart } from "../src/core/destination_health.ts";
import type { CredentialDescription, CredentialNews } from "./credential_messages.ts";
import type { ActorRef } from "./kernel/actor.ts";
import { type Name, nameOf } from "./kernel/registry.ts";

/** To whoever asked for a try: make it now, and say by `try_ended` what came of it. */
export interface TryGranted {
  readonly type: "try_granted";
  readonly part: DestinationPart;
  /** True while the part is not known to be healthy: a fault is no fault of the one who tries. */
  readonly isProbe: boolean;
}

/** Whoever may be granted a try. */
export type Applicant = ActorRef<TryGranted>;

/** What a try says about the part of the destination that it went to. */
export type TryOutcome =
  | { readonly type: "answered" }
  | { readonly type: "unanswered"; readonly reason: string }
  /** It was not made, or failed for reasons of our own. */
  | { readonly type: "unused" };

/** To the actor that watches over the health of a destination. */
export type HealthMessage =
  /** Answered by `try_granted`: at once while the part is healthy, else in turn. Repeated: keeps its place. */
  | {
      readonly type: "request_try";
      readonly part: DestinationPart;
      readonly by: Applicant;
      /** True for a mere question, which is the best way to find out; it goes first. */
      readonly isQuestion: boolean;
    }
  | {
      readonly type: "try_ended";
      readonly part: DestinationPart;
      readonly by: Applicant;
      readonly outcome: TryOutcome;
    }
  | { readonly type: "probe_due"; readonly part: DestinationPart }
  /** An actor whose mailbox was full may have room by now. */
  | { readonly type: "grant_again"; readonly part: DestinationPart }
  /** An actor that waits or tries has ended, in whatever way. */
  | { readonly type: "applicant_ended"; readonly by: Applicant }
  | CredentialNews
  /** The keeper of a credential has ended, in whatever way. */
  | { readonly type: "keeper_ended"; readonly id: string }
  | { readonly type: "follow_credential"; readonly id: string }
  | { readonly type: "describe"; readonly reply: (description: HealthDescription) => void };

/** The health of a destination, part by part. */
export interface HealthDescription extends Readonly<Record<DestinationPart, PartDescription>> {
  /** Without which some part cannot be tried; absent where none is needed. Of several the worst. */
  readonly credential?: CredentialDescription & {
    /** Those that need it. */
    readonly parts: readonly DestinationPart[];
    /** How many wait for a try of one of them. */
    readonly waiting: number;
  };
}

/** Times are milliseconds since 1970. */
export type PartDescription =
  | {
      readonly state: "healthy";
      /** Why it was degraded the last time; absent when it never was. */
      readonly lastFault?: PartFault;
    }
  | {
      readonly state: "degraded";
      /** Why the newest try got no answer. */
      readonly reason: string;
      readonly sinceMs: number;
      /** May have passed when nobody waits for a try. */
      readonly nextTryMs: number;
      /** How many wait for the next try. */
      readonly waiting: number;
    };

export interface PartFault {
  readonly reason: string;
  readonly atMs: number;
}

export function healthName(destination: string): Name<ActorRef<HealthMessage>> {
  return nameOf(`health:${destination}`);
}

/** Told when a destination cannot use what it needs, with the reason, and with null when it can again. */
export type HealthListener = (destination: string, part: DestinationNeed, reason: string | null) => void;
