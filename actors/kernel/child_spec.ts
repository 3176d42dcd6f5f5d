import type { LogFields } from "../../src/ports/logger.ts";
import type { ActorFactory, ActorRef } from "./actor.ts";
import type { Name } from "./registry.ts";
import type { RestartBudget } from "./restart_budget.ts";
import type { RestartPolicy, Strategy } from "./supervision.ts";

/** How a supervisor runs an actor. */
export interface ActorSpec<M> {
  readonly kind: "actor";
  /** Unique among its siblings; the last part of its path. */
  readonly id: string;
  /** Under which others find it; unique in the system. */
  readonly name: Name<ActorRef<M>> | undefined;
  readonly restart: RestartPolicy;
  /** How long its last handler, `onStop` and its effects may take, together, before they are abandoned. */
  readonly shutdownMs: number;
  /** How many messages may wait. */
  readonly mailboxSize: number;
  /** Beside its path in each of its log lines, also in those about its crashes. */
  readonly logFields?: LogFields;
  /** A method, so that specs of different messages fit into one list. */
  factory(...args: Parameters<ActorFactory<M>>): ReturnType<ActorFactory<M>>;
}

/** A supervisor with a list of children: started in this order, stopped in reverse. */
export interface SupervisorSpec {
  readonly kind: "supervisor";
  readonly id: string;
  /** Under which its {@link GrowingChildren} are found; only for `one_for_one`, whose children do not rely on each other. */
  readonly name: Name<GrowingChildren> | undefined;
  readonly strategy: Strategy;
  /** Shared by the children; when it is exhausted, the supervisor stops them and crashes itself. */
  readonly budget: RestartBudget;
  readonly restart: RestartPolicy;
  readonly children: readonly ChildSpec[];
}

/** A supervisor whose actors come and go at run time and know nothing of each other. */
export interface DynamicSupervisorSpec {
  readonly kind: "dynamic_supervisor";
  readonly id: string;
  /** Under which its {@link DynamicChildren} are found. */
  readonly name: Name<DynamicChildren> | undefined;
  /** Each child has its own. */
  readonly budget: RestartBudget;
  readonly restart: RestartPolicy;
  /**
   * Called when a child has crashed too often and is given up; the others go on. Its id is free again when this has
   * settled, or the child's `shutdownMs` are over. A failure is logged.
   */
  onExhausted(id: string, lastFault: unknown): void | Promise<void>;
}

/** Anything that a supervisor can have as a child. */
export type ChildSpec = ActorSpec<never> | SupervisorSpec | DynamicSupervisorSpec;

/** The children of a supervisor, for those who add to them and take away from them while it runs. */
export interface GrowingChildren {
  /**
   * Adds a child behind the others and starts it as soon as the supervisor runs. From then on it is as if it had always
   * been there: it shares the budget, and comes back when the supervisor restarts.
   *
   * @throws {NameTakenError} when a child has this id, or somebody a name
   */
  addChild(spec: ChildSpec): void;
  /** Stops a child and forgets it; resolves when it has ended and its names are free, at once when there is none. */
  removeChild(id: string): Promise<void>;
}

/** The children of a dynamic supervisor, for those who start and stop them. */
export interface DynamicChildren {
  /**
   * Starts an actor. Messages may be sent to it at once, they wait until it has started.
   *
   * @throws {NameTakenError} when a child has this id, or somebody the name
   * @throws {SupervisorNotRunningError} while the supervisor starts, restarts or stops
   */
  startChild<M>(spec: ActorSpec<M>): ActorRef<M>;
  /**
   * Stops a child for good; resolves when it has ended, at once when there is none with this id. A handler of the child
   * itself must not wait for this, only its shutdown deadline would end that.
   */
  stopChild(id: string): Promise<void>;
  /** How many children there are, including those that restart. */
  readonly size: number;
}

/** Restarts without delay would burn the budget in a moment; this gives a lost resource some seconds to come back. */
const DEFAULT_BUDGET: RestartBudget = {
  maxRestarts: 5,
  withinMs: 60_000,
  backOff: { initialMs: 100, factor: 2, maxMs: 10_000 },
};

/** Describes an actor; without more it is permanent, has 5 s to stop and room for 1000 messages. */
export function actor<M>(
  spec: Pick<ActorSpec<M>, "id"> & { readonly factory: ActorFactory<M> } & Partial<
      Omit<ActorSpec<M>, "kind" | "factory">
    >,
): ActorSpec<M> {
  return { kind: "actor", name: undefined, restart: "permanent", shutdownMs: 5_000, mailboxSize: 1_000, ...spec };
}

/** Describes a supervisor; without more it is permanent and has the default budget. */
export function supervisor(
  spec: Pick<SupervisorSpec, "id" | "strategy" | "children"> & Partial<Omit<SupervisorSpec, "kind">>,
): SupervisorSpec {
  return { kind: "supervisor", name: undefined, budget: DEFAULT_BUDGET, restart: "permanent", ...spec };
}

/** Describes a dynamic supervisor; without more it is permanent and each child has the default budget. */
export function dynamicSupervisor(
  spec: Pick<DynamicSupervisorSpec, "id" | "onExhausted"> & Partial<Omit<DynamicSupervisorSpec, "kind">>,
): DynamicSupervisorSpec {
  return { kind: "dynamic_supervisor", name: undefined, budget: DEFAULT_BUDGET, restart: "permanent", ...spec };
}
