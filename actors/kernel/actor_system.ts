/*
 * What the actor kernel guarantees. The explorer in tests/actors/kernel checks each of these, by its name, on thousands
 * of random programs.
 *
 * Actors
 * - one at a time: factory, handlers and onStop of an actor never overlap, nor do two of its incarnations. Only code that
 *   was abandoned at a shutdown deadline may still be running beside its successor.
 * - order: messages are handled in the order in which they were accepted, at most `mailboxSize` of them wait, and none
 *   waits while its actor is idle. Notices (effects, timers, watches) come in the order in which they arose, before
 *   messages that wait.
 * - conservation: each message is handled once, or waits, or is counted as a dead letter. Those that wait survive a
 *   restart; the one in hand at a crash is not handed out again.
 * - effects: an effect answers exactly once while its incarnation lives and never after. Its signal is aborted when the
 *   end begins, and the incarnation ends only when it has settled or the deadline is over.
 * - timers: never early, once, and not after they were cancelled or replaced, or the end of the incarnation has begun.
 * - watches: exactly one message for the end of an incarnation, unless unwatched.
 * - orderly end: after the end has begun, no message is handled; onStop is called once; nothing of the incarnation is
 *   called later. It takes no longer than `shutdownMs`. When the system has stopped, no timer of the kernel is left.
 * - nothing swallowed: every failure of a factory or handler is a crash that the supervisor sees; every failure of
 *   onStop, of a hook or of abandoned code is reported as an event.
 *
 * Supervisors
 * - order of starts: a child is started when those before it run; children of one_for_one are, after the first start,
 *   started again on their own.
 * - order of stops: a child is stopped when those after it have ended. Dynamic children end side by side.
 * - restarts: exactly the children that strategy and policy name are stopped and started again, as soon as possible.
 * - budget: no more restarts than `maxRestarts` are due in any `withinMs`, each not before its back-off; the crash that
 *   would need one more makes the supervisor stop its children and crash, and the root's crash makes the system fail.
 * - dynamic children: each has its own budget; one that has exhausted it is told to `onExhausted` once and disturbs
 *   nobody. `stopChild` resolves when the child has ended.
 * - growing: a child that is added to a supervisor is from then on as if it had always been there; `removeChild` resolves
 *   when the child has ended and its names are free.
 *
 * System
 * - names: a name is taken as long as its owner lives or will be restarted, and free afterwards.
 * - ask: every question is settled once, in time.
 * - tree: `inspect` shows the state and the number of restarts of every node as they are.
 */

import type { Clock } from "../../src/ports/clock.ts";
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import type { ExitReason } from "./actor.ts";
import type { SupervisorSpec } from "./child_spec.ts";
import { DeadLetters } from "./dead_letters.ts";
import { Dispatcher } from "./dispatcher.ts";
import { KernelError } from "./errors.ts";
import { type KernelEvent, logEvent } from "./events.ts";
import { type Name, Registry } from "./registry.ts";
import { Supervisor } from "./supervisor.ts";
import type { SupervisorNode } from "./tree_node.ts";

/** What an actor system is made of. */
export interface ActorSystemOptions {
  readonly root: SupervisorSpec;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many dead letters are kept; 100 without it. */
  readonly keepDeadLetters?: number;
  /** Told about every event, dead letters included, after it is logged. A throw is logged and ignored. */
  readonly onEvent?: (event: KernelEvent) => void;
}

/** One supervision tree with its registry and dead letters. Starts once and stops once. */
export class ActorSystem {
  /** Messages that nobody handled. */
  readonly deadLetters: DeadLetters;
  /** Resolves with the error when the root supervisor has given up and its children have stopped. Never rejects. */
  readonly failed: Promise<unknown>;
  readonly #registry = new Registry();
  readonly #root: Supervisor;
  #wasStarted = false;
  readonly #hasStarted = Promise.withResolvers<void>();
  readonly #hasFailed = Promise.withResolvers<unknown>();
  readonly #hasEnded = Promise.withResolvers<void>();

  /** Makes the tree; nothing runs before `start`. @throws {NameTakenError} when two actors share a path or name. */
  constructor({ root, clock, logger, keepDeadLetters = 100, onEvent }: ActorSystemOptions) {
    this.failed = this.#hasFailed.promise;
    const emit = (event: KernelEvent, fields?: LogFields) => {
      logEvent(logger, event, fields);
      try {
        onEvent?.(event);
      } catch (error) {
        logger.error("Observer of the actor system failed", { error });
      }
    };
    this.deadLetters = new DeadLetters(clock, keepDeadLetters, (letter) =>
      emit({ type: "dead_letter", path: letter.path, letter }),
    );
    const owner = {
      childStarted: () => this.#hasStarted.resolve(),
      childEnded: (_root: unknown, reason: ExitReason) => this.#onEnded(reason),
    };
    const { deadLetters } = this;
    const registry = this.#registry;
    const dispatcher = new Dispatcher(clock);
    this.#root = new Supervisor(root, undefined, owner, { clock, logger, dispatcher, registry, deadLetters, emit });
  }

  /**
   * Starts the tree; resolves when all of it runs.
   *
   * @throws the error of the root supervisor when it gives up before that, or a {@link KernelError} when it is stopped
   *   before that, or was started already
   */
  async start(): Promise<void> {
    if (this.#wasStarted) throw new KernelError("started", "An actor system starts only once");
    this.#wasStarted = true;
    this.#root.start();
    return this.#hasStarted.promise;
  }

  /** Stops the tree in reverse order of its start; resolves when nothing of it runs. May be called again. */
  stop(): Promise<void> {
    if (this.#root.state === "stopped") return Promise.resolve();
    this.#root.stop();
    return this.#hasEnded.promise;
  }

  /** Looks up what is registered under `name`: a ref, or the handle of a dynamic supervisor. */
  find<T>(name: Name<T>): T | undefined {
    return this.#registry.find(name);
  }

  /** Shows the tree as it is now. */
  inspect(): SupervisorNode {
    return this.#root.inspect(false);
  }

  #onEnded(reason: ExitReason): void {
    this.#root.retire();
    const error =
      reason.type === "crashed" ? reason.error : new KernelError("stopped", "Stopped before it had started");
    this.#hasStarted.reject(error);
    if (reason.type === "crashed") this.#hasFailed.resolve(error);
    this.#hasEnded.resolve();
  }
}
