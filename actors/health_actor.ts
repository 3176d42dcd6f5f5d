import { assertNever } from "../src/core/assert_never.ts";
import type { BackoffPolicy } from "../src/core/backoff.ts";
import {
  type DestinationPart,
  HEALTHY,
  type Health,
  type HealthEvent,
  healthAfter,
  roomForTries,
} from "../src/core/destination_health.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Scheduler } from "../src/ports/scheduler.ts";
import { CredentialGate } from "./credential_gate.ts";
import type { NeededCredentials } from "./destination.ts";
import type {
  Applicant,
  HealthListener,
  HealthMessage,
  PartDescription,
  PartFault,
  TryOutcome,
} from "./health_messages.ts";
import type { ActorContext, ActorFactory } from "./kernel/actor.ts";
import { stagerName } from "./messages.ts";

export interface HealthOptions {
  readonly name: string;
  readonly backoff: BackoffPolicy;
  readonly credentials: NeededCredentials;
  /** At least 0, below 1. */
  readonly random: () => number;
  readonly onHealth?: HealthListener | undefined;
  /** Tells when the scheduler, which was away, can be reached again. */
  readonly onReturn?: Scheduler["onReturn"];
}

/**
 * Knows how well the scheduler and the file system of one destination answer, and says who may try them: everybody
 * while they are healthy; one per step of the back-off while they are not, or as soon as the scheduler is known to be
 * back, and then more and more; nobody while a credential cannot be used.
 */
export function healthActor(options: HealthOptions): ActorFactory<HealthMessage> {
  return (ctx) => {
    const gate = new CredentialGate(ctx, options.credentials, options.random);
    const parts = {
      scheduler: new Part("scheduler", ctx, options, gate),
      file_system: new Part("file_system", ctx, options, gate),
    };
    const unwatchIdle = (by: Applicant): void => {
      if (!parts.scheduler.knows(by) && !parts.file_system.knows(by)) ctx.unwatch(by);
    };
    const unlisten = options.onReturn?.(() => {
      ctx.self.send({ type: "probe_due", part: "scheduler" });
    });
    return {
      receive(message) {
        switch (message.type) {
          case "request_try":
            return parts[message.part].request(message.by, message.isQuestion);
          case "try_ended":
            parts[message.part].end(message.by, message.outcome);
            return unwatchIdle(message.by);
          case "probe_due":
            return parts[message.part].probe();
          case "grant_again":
            return parts[message.part].grantSome();
          case "applicant_ended":
            parts.scheduler.end(message.by, { type: "unused" });
            return parts.file_system.end(message.by, { type: "unused" });
          case "credential_changed": {
            const wasOpen = gate.isOpenFor("file_system");
            const wasLost = gate.worst()?.state === "lost";
            gate.note(message);
            const now = gate.worst();
            const reason = now?.state === "lost" ? now.reason : null;
            if (wasLost !== (reason !== null)) options.onHealth?.(options.name, "credential", reason);
            if (wasOpen && !gate.isOpenFor("file_system")) postponeCopies(ctx, options.name);
            parts.scheduler.grantSome();
            return parts.file_system.grantSome();
          }
          case "keeper_ended":
            return gate.keeperEnded(message.id);
          case "follow_credential":
            return gate.follow(message.id);
          case "describe": {
            const worst = gate.worst();
            const waiting = worst?.parts.reduce((sum, part) => sum + parts[part].waiting, 0) ?? 0;
            return message.reply({
              scheduler: parts.scheduler.describe(ctx.clock),
              file_system: parts.file_system.describe(ctx.clock),
              ...(worst === undefined ? {} : { credential: { ...worst, waiting } }),
            });
          }
          default:
            return assertNever(message);
        }
      },
      onStop: () => unlisten?.(),
    };
  };
}

/** How soon an actor whose mailbox was full is told again. */
const FLOODED_RETRY_MS = 1_000;

/** One part of the destination, who waits to try it and who does. */
class Part {
  readonly #part: DestinationPart;
  readonly #ctx: ActorContext<HealthMessage>;
  readonly #options: HealthOptions;
  readonly #gate: Pick<CredentialGate, "isOpenFor">;
  #health: Health = HEALTHY;
  /** In turn; those who only ask stand before the others. */
  #questions = new Set<Applicant>();
  #waiting = new Set<Applicant>();
  /** Allowed since the state last changed. */
  readonly #underWay = new Set<Applicant>();
  #lastFault: PartFault | undefined;

  constructor(
    part: DestinationPart,
    ctx: ActorContext<HealthMessage>,
    options: HealthOptions,
    gate: Pick<CredentialGate, "isOpenFor">,
  ) {
    this.#part = part;
    this.#ctx = ctx;
    this.#options = options;
    this.#gate = gate;
  }

  /** How many wait to try it. */
  get waiting(): number {
    return this.#questions.size + this.#waiting.size;
  }

  knows(by: Applicant): boolean {
    return this.#questions.has(by) || this.#waiting.has(by) || this.#underWay.has(by);
  }

  request(by: Applicant, isQuestion: boolean): void {
    if (this.#health.state === "healthy" && this.#isOpen && this.#grant(by, false)) return;
    (isQuestion ? this.#questions : this.#waiting).add(by);
    this.#ctx.watch(by, () => ({ type: "applicant_ended", by }));
    if (this.#health.state !== "healthy") this.grantSome();
  }

  end(by: Applicant, outcome: TryOutcome): void {
    const isProbe = this.#underWay.delete(by);
    switch (outcome.type) {
      case "answered":
        this.#apply({ type: "answered" });
        break;
      case "unanswered":
        // Without a credential nothing is answered, whatever the part is like.
        if (this.#isOpen) this.#apply({ type: "unanswered", reason: outcome.reason, isProbe });
        break;
      case "unused":
        this.#questions.delete(by);
        this.#waiting.delete(by);
        // The only try of this step was not made.
        if (isProbe && this.#health.state === "degraded") this.#apply({ type: "probe_due" });
        break;
      default:
        assertNever(outcome);
    }
    this.grantSome();
  }

  probe(): void {
    this.#apply({ type: "probe_due" });
    this.grantSome();
  }

  describe(clock: Clock): PartDescription {
    const health = this.#health;
    if (health.state !== "degraded") {
      return { state: "healthy", ...(this.#lastFault === undefined ? {} : { lastFault: this.#lastFault }) };
    }
    const sinceThenMs = clock.nowMs() - clock.monotonicMs();
    return {
      state: "degraded",
      reason: health.reason,
      sinceMs: Math.round(health.sinceMs + sinceThenMs),
      nextTryMs: Math.round(health.nextTryMs + sinceThenMs),
      waiting: this.waiting,
    };
  }

  get #isOpen(): boolean {
    return this.#gate.isOpenFor(this.#part);
  }

  /** Lets those make their try, in turn, for whom there is room. */
  grantSome(): void {
    for (;;) {
      const next = this.#questions.values().next().value ?? this.#waiting.values().next().value;
      if (next === undefined) return this.#apply({ type: "quiet" });
      if (!this.#isOpen) return;
      if (roomForTries(this.#health, this.#underWay.size) < 1) return;
      const isProbe = this.#health.state !== "healthy";
      if (!this.#grant(next, isProbe)) return;
      this.#questions.delete(next);
      this.#waiting.delete(next);
      if (isProbe) {
        this.#underWay.add(next);
        this.#apply({ type: "probe_started" });
      }
    }
  }

  /** @returns false for one that is flooded with messages and has to be told later; one that has ended asks again itself */
  #grant(by: Applicant, isProbe: boolean): boolean {
    const part = this.#part;
    if (by.send({ type: "try_granted", part, isProbe }) !== "full") return true;
    this.#ctx.startTimer(`again:${part}`, FLOODED_RETRY_MS, { type: "grant_again", part });
    return false;
  }

  #apply(event: HealthEvent): void {
    const before = this.#health;
    const after = healthAfter(
      before,
      event,
      this.#options.backoff,
      this.#ctx.clock.monotonicMs(),
      this.#options.random(),
    );
    if (after === before) return;
    this.#health = after;
    if (after.state === "degraded") this.#lastFault = { reason: after.reason, atMs: this.#ctx.clock.nowMs() };
    this.#setTimer(before, after);
    // Those that began before say nothing about how it is now, and may last for hours.
    if (after.state !== before.state) this.#underWay.clear();
    if (before.state !== "degraded" && after.state === "degraded") this.#onDegraded(after.reason);
    if (before.state === "degraded" && after.state !== "degraded") {
      this.#ctx.logger.info("The destination answers again", { part: this.#part });
      this.#options.onHealth?.(this.#options.name, this.#part, null);
    }
  }

  #setTimer(before: Health, after: Health): void {
    const dueMs = (health: Health): number | undefined => {
      if (health.state === "recovering") return health.moreRoomMs;
      return health.state === "degraded" && !health.isDue ? health.nextTryMs : undefined;
    };
    const part = this.#part;
    const [earlierMs, laterMs] = [dueMs(before), dueMs(after)];
    if (laterMs === undefined) return after.state === "healthy" ? this.#ctx.cancelTimer(`probe:${part}`) : undefined;
    if (laterMs === earlierMs) return;
    const delayMs = Math.max(0, laterMs - this.#ctx.clock.monotonicMs());
    this.#ctx.startTimer(`probe:${part}`, delayMs, { type: "probe_due", part });
  }

  #onDegraded(reason: string): void {
    this.#ctx.logger.warn("The destination is degraded; its jobs wait", { part: this.#part, reason });
    this.#options.onHealth?.(this.#options.name, this.#part, reason);
    if (this.#part === "file_system") postponeCopies(this.#ctx, this.#options.name);
  }
}

/** What was allowed before and has not begun would all be tried in vain, one after the other. */
function postponeCopies(ctx: ActorContext<HealthMessage>, destination: string): void {
  ctx.find(stagerName(destination))?.send({ type: "postpone" });
}
