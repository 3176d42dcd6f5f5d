import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
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
  readonly #hasStarted = Promise.withResolvers<void>();
  readonly #hasFailed = Promise.withResolvers<unknown>();
  readonly #hasEnded = Promise.withResolvers<void>();

  /** Makes the tree; nothing runs before `start`. @throws {NameTakenError} when two actors share a path or name. */
  constructor({ root, clock, logger, keepDeadLetters = 100, onEvent }: ActorSystemOptions) {
    this.failed = this.#hasFailed.promise;
    const emit = (event: KernelEvent) => {
      logEvent(logger, event);
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
   */
  start(): Promise<void> {
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
