import { assertNever } from "../src/core/assert_never.ts";
import type { BackoffPolicy } from "../src/core/backoff.ts";
import { type Care, type CareEvent, type CarePolicy, careAfter, NOT_LOOKED_AT } from "../src/core/credential_care.ts";
import { messageOf } from "../src/core/errors.ts";
import type { Credential } from "../src/ports/credential.ts";
import type { CredentialDescription, CredentialMessage, CredentialNews } from "./credential_messages.ts";
import type { ActorContext, ActorFactory, ActorRef } from "./kernel/actor.ts";

/** From 5 s to 5 min. */
const BACKOFF: BackoffPolicy = { initialMs: 5_000, factor: 2, maxMs: 300_000, jitter: 0.3 };

const CHECK_EVERY_MS = 600_000;

/**
 * Keeps one credential usable: looks at it, makes it when there is none, and renews it in time. Tells its followers what
 * is known about it, and ends when it has none. What it asks for runs beside its mailbox, and no job waits for it but
 * those that need the credential.
 *
 * @param random at least 0, below 1
 */
export function credentialKeeper(credential: Credential, random: () => number): ActorFactory<CredentialMessage> {
  return (ctx) => {
    const policy: CarePolicy = {
      minLifeMs: credential.minLifeS * 1000,
      checkEveryMs: CHECK_EVERY_MS,
      backoff: BACKOFF,
    };
    const followers = new Set<ActorRef<CredentialNews>>();
    let care: Care = NOT_LOOKED_AT;

    const apply = (event: CareEvent): void => {
      const before = care;
      care = careAfter(care, event, policy, ctx.clock.monotonicMs(), random());
      act(ctx, credential, care);
      logChange(ctx, credential.name, before, care);
      for (const by of followers) tell(by);
    };
    const tell = (by: ActorRef<CredentialNews>): void => {
      by.send({ type: "credential_changed", id: credential.id, description: describe(ctx, credential.name, care) });
    };
    act(ctx, credential, care);

    return {
      receive(message) {
        switch (message.type) {
          case "follow": {
            const { by } = message;
            followers.add(by);
            ctx.watch(by, () => ({ type: "follower_ended", by }));
            return tell(by);
          }
          case "follower_ended":
            followers.delete(message.by);
            return followers.size === 0 ? ctx.stop() : undefined;
          case "due":
          case "checked":
          case "made":
          case "failed":
            return apply(message);
          default:
            return assertNever(message);
        }
      },
    };
  };
}

/** Begins the step that `care` is at. */
function act(ctx: ActorContext<CredentialMessage>, credential: Credential, { step }: Care): void {
  const onFailed = (error: unknown): CredentialMessage => ({ type: "failed", reason: messageOf(error) });
  switch (step.type) {
    case "check":
    case "confirm":
      return ctx.run(
        (signal) => credential.check(signal),
        ({ leftS, reason }) => ({ type: "checked", leftMs: leftS * 1000, reason }),
        onFailed,
      );
    case "make":
      return ctx.run(
        (signal) => credential.make(signal),
        () => ({ type: "made" }),
        onFailed,
      );
    case "wait":
      return ctx.startTimer("due", Math.max(0, step.untilMs - ctx.clock.monotonicMs()), { type: "due" });
    default:
      return assertNever(step);
  }
}

function describe(
  { clock }: ActorContext<CredentialMessage>,
  name: string,
  { credential, step }: Care,
): CredentialDescription {
  const sinceThenMs = clock.nowMs() - clock.monotonicMs();
  const shown = (ms: number): number => Math.round(ms + sinceThenMs);
  const nextTryMs = step.type === "wait" ? shown(step.untilMs) : Math.round(clock.nowMs());
  switch (credential.state) {
    case "unknown":
      return { name, state: "unknown" };
    case "valid":
      return { name, state: "valid", endsMs: shown(credential.endsMs), trouble: credential.trouble, nextTryMs };
    case "lost":
      return { name, state: "lost", reason: credential.reason, sinceMs: shown(credential.sinceMs), nextTryMs };
    default:
      return assertNever(credential);
  }
}

/** One line per change, not per try. */
function logChange(
  { logger, clock }: ActorContext<CredentialMessage>,
  name: string,
  { credential: before }: Care,
  { credential: after }: Care,
): void {
  if (after.state === "lost") {
    if (before.state === "lost" && before.reason === after.reason) return;
    return logger.warn(`The ${name} cannot be used; jobs that need it wait`, { reason: after.reason });
  }
  if (after.state !== "valid") return;
  const leftS = Math.round((after.endsMs - clock.monotonicMs()) / 1000);
  const troubleBefore = before.state === "valid" ? before.trouble : null;
  if (after.trouble !== null && after.trouble !== troubleBefore) {
    logger.warn(`The ${name} will end and could not be renewed`, { leftS, reason: after.trouble });
  }
  // A look at the same one finds the same end, give or take the time of the look.
  const isAnother = before.state !== "valid" || Math.abs(after.endsMs - before.endsMs) > 60_000;
  if (isAnother && after.trouble === null) logger.info(`The ${name} can be used`, { leftS });
}
