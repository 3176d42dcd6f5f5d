import type { RestartBudget } from "../../../../actors/kernel/restart_budget.ts";
import { type Random, randomOf } from "../../../support/seeded_random.ts";
import {
  type ActorPlan,
  type Command,
  type Duration,
  type DynamicPlan,
  type NodePlan,
  type Program,
  plansIn,
  type Step,
  type SupervisorPlan,
} from "./program.ts";

/** Ids that dynamic children get; few, so that they are used again. */
const DYNAMIC_IDS = ["c1", "c2", "c3"] as const;

/** Makes the program of a seed. Some are calm and some are wild, as most faults hide in one of the two. */
export function programOf(seed: number): Program {
  const random = randomOf(seed);
  const trees = new TreeMaker(random, random.chance(0.5));
  const root = trees.supervisor(2);
  const steps = new StepMaker(random, root, trees);
  return { root, steps: Array.from({ length: 4 + random.int(28) }, () => steps.step()) };
}

class TreeMaker {
  readonly #random: Random;
  /** Whether starts and stops may take time or fail. */
  readonly #isWild: boolean;
  #count = 0;

  constructor(random: Random, isWild: boolean) {
    this.#random = random;
    this.#isWild = isWild;
  }

  supervisor(depth: number): SupervisorPlan {
    const { pick, int } = this.#random;
    const id = `s${this.#count++}`;
    return {
      kind: "supervisor",
      id,
      strategy: pick(["one_for_one", "one_for_all", "rest_for_one"]),
      restart: pick(["permanent", "permanent", "permanent", "transient", "temporary"]),
      budget: this.#budget(),
      children: Array.from({ length: 1 + int(4) }, () => this.#node(depth)),
    };
  }

  actor(id: string): ActorPlan {
    const { pick, chance, int } = this.#random;
    const hasFailingStarts = this.#isWild && chance(0.2);
    return {
      kind: "actor",
      id,
      restart: pick(["permanent", "permanent", "transient", "temporary"]),
      shutdownMs: 10 + int(4) * 10,
      mailboxSize: pick([1, 3, 100, 100]),
      start: this.#duration(),
      failingStarts: hasFailingStarts ? [1 + int(3), 1 + int(4)] : [],
      stop: this.#isWild && chance(0.2) ? pick(["throws", "hangs"]) : this.#duration(),
    };
  }

  #node(depth: number): NodePlan {
    const { chance } = this.#random;
    if (depth > 0 && chance(0.25)) return this.supervisor(depth - 1);
    if (chance(0.2)) return this.#dynamic();
    return this.actor(`a${this.#count++}`);
  }

  #dynamic(): DynamicPlan {
    const { pick, chance } = this.#random;
    return {
      kind: "dynamic_supervisor",
      id: `d${this.#count++}`,
      restart: pick(["permanent", "permanent", "temporary"]),
      budget: this.#budget(),
      hook: this.#isWild && chance(0.3) ? pick(["throws", "hangs"]) : this.#duration(),
    };
  }

  #budget(): RestartBudget {
    const { pick, int } = this.#random;
    return {
      maxRestarts: int(5),
      withinMs: pick([20, 100, 1000]),
      backOff: { initialMs: pick([0, 0, 5, 20]), factor: pick([1, 2, 3]), maxMs: pick([5, 30, 60]) },
    };
  }

  #duration(): Duration {
    return this.#isWild ? this.#random.pick([null, null, 0, 4, 12]) : this.#random.pick([null, 0]);
  }
}

class StepMaker {
  readonly #random: Random;
  readonly #trees: TreeMaker;
  readonly #targets: readonly [string, ...string[]];
  readonly #supervisors: readonly string[];

  constructor(random: Random, root: SupervisorPlan, trees: TreeMaker) {
    this.#random = random;
    this.#trees = trees;
    const plans = plansIn(root);
    this.#supervisors = plans.filter((plan) => plan.kind === "dynamic_supervisor").map((plan) => plan.id);
    const actors = plans.filter((plan) => plan.kind === "actor").map((plan) => plan.id);
    const [first, ...others] = this.#supervisors.length > 0 ? [...actors, ...DYNAMIC_IDS] : actors;
    this.#targets = [first ?? "c1", ...others];
  }

  step(): Step {
    const { int, chance, pick } = this.#random;
    const choice = int(100);
    if (choice < 55) {
      const times = chance(0.2) ? 1 + int(6) : 1;
      return { do: "send", target: this.#target(), command: this.#command(2), times };
    }
    if (choice < 60) return { do: "ask", target: this.#target(), ms: 1 + int(30), isAnswered: chance(0.6) };
    if (choice < 72) return this.#childStep() ?? { do: "wait", ms: 0 };
    if (choice < 99) return { do: "wait", ms: pick([0, 0, 1, 5, 20, 50, 500]) };
    return { do: "stop_system" };
  }

  #command(depth: number): Command {
    const { int, chance, pick } = this.#random;
    const next = (): Command => (depth > 0 ? this.#command(depth - 1) : { do: "nothing" });
    const choice = int(100);
    if (choice < 20) return { do: "nothing" };
    if (choice < 34) return { do: "throw" };
    if (choice < 40) return { do: "reject" };
    if (choice < 45) return { do: "stop" };
    if (choice < 47) return { do: "stop_and_throw" };
    if (choice < 49) return { do: "hang" };
    if (choice < 56) return { do: "work", ms: int(15), next: next() };
    if (choice < 64) return { do: "start_timer", key: pick(["k", "l"]), ms: int(40), next: next() };
    if (choice < 67) return { do: "cancel_timer", key: pick(["k", "l"]) };
    if (choice < 77) {
      const ends = pick(["well", "well", "badly", "never"]);
      const ms = pick([null, 0, 3, 15, 35]);
      return { do: "run_effect", ms, ends, heedsAbort: chance(0.5), isBroken: chance(0.05), next: next() };
    }
    if (choice < 85) return { do: "watch", target: this.#target(), next: next() };
    if (choice < 87) return { do: "unwatch", target: this.#target() };
    if (choice < 93) return { do: "send", target: this.#target(), command: next() };
    if (choice < 96) return this.#changeOfMind(next());
    return this.#childStep() ?? { do: "nothing" };
  }

  /** Something asked for that comes while the actor is busy, and is then wanted no more. */
  #changeOfMind(next: Command): Command {
    const { int, chance, pick } = this.#random;
    const target = this.#target();
    const key = pick(["k", "l"]);
    const isWatch = chance(0.5);
    const undo: Command = isWatch ? { do: "unwatch", target } : { do: "cancel_timer", key };
    return {
      do: "both",
      first: isWatch ? { do: "watch", target, next } : { do: "start_timer", key, ms: int(20), next },
      second: { do: "work", ms: int(25), next: undo },
    };
  }

  #childStep(): (Command & Step) | undefined {
    const { chance, pick } = this.#random;
    const [first, ...others] = this.#supervisors;
    if (first === undefined) return undefined;
    const supervisor = pick([first, ...others]);
    const id = pick(DYNAMIC_IDS);
    if (chance(0.3)) return { do: "stop_child", supervisor, child: id };
    return { do: "start_child", supervisor, child: this.#trees.actor(id) };
  }

  #target(): string {
    return this.#random.pick(this.#targets);
  }
}
