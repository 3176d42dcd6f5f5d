import type { ActorContext, ActorFactory, ActorRef, Behaviour } from "../../../../actors/kernel/actor.ts";
import type { ActorPlan, Command, Duration } from "./program.ts";
import type { Code, Life, Seen } from "./trace.ts";

/** A message that says what its receiver does. Its type is its own, so that it can be told from all others. */
export interface Message {
  readonly type: string;
  readonly command: Command;
  readonly reply?: () => void;
}

/** What a scripted actor may use beside its own context. */
export interface Surroundings {
  /** Notes what was seen. */
  see(seen: Seen): void;
  /** Resolves when `duration` is over; undefined when it takes no promise. */
  pass(duration: Duration): Promise<void> | undefined;
  /** A type that no other message has; `kind` is its first letter. */
  newMessage(kind: string): string;
  cellOf(ref: ActorRef<Message>): number;
  /** How often the cell was started. */
  livesOf(cell: number): number;
  /** The actor with this id, also when it is dead; undefined when there never was one. */
  refOf(id: string): ActorRef<Message> | undefined;
  send(ref: ActorRef<Message>, message: Message): void;
  startChild(supervisorId: string, plan: ActorPlan): void;
  stopChild(supervisorId: string, id: string): void;
}

/** The only error that programs throw. */
class PlantedError extends Error {}

/** An actor that does what its plan and its messages say, and notes all of it. */
export function factoryOf(plan: ActorPlan, world: Surroundings): ActorFactory<Message> {
  return (context) => {
    const cell = world.cellOf(context.self);
    const who: Life = { cell, path: context.self.path, life: world.livesOf(cell) };
    const script = new Script(context, who, world);
    const behaviour: Behaviour<Message> = {
      receive: (message) =>
        script.tracked("receive", message.type, () => {
          message.reply?.();
          return script.perform(message.command);
        }),
      onStop: () =>
        script.tracked("onStop", "", () => {
          if (plan.stop === "throws") throw new PlantedError("onStop");
          return plan.stop === "hangs" ? new Promise<void>(() => {}) : world.pass(plan.stop);
        }),
    };
    return script.tracked("factory", "", () => {
      const make = () => {
        if (plan.failingStarts.includes(who.life)) throw new PlantedError("start");
        return behaviour;
      };
      const wait = world.pass(plan.start);
      return wait === undefined ? make() : wait.then(make);
    });
  };
}

class Script {
  readonly #context: ActorContext<Message>;
  readonly #who: Life;
  readonly #world: Surroundings;

  constructor(context: ActorContext<Message>, who: Life, world: Surroundings) {
    this.#context = context;
    this.#who = who;
    this.#world = world;
  }

  /** Notes when `run` begins and when it, or its promise, ends. */
  tracked<T>(code: Code, message: string, run: () => T | Promise<T>): T | Promise<T> {
    const who = this.#who;
    const end = (isOk: boolean) => this.#world.see({ type: "code_end", code, who, isOk });
    this.#world.see({ type: "code_begin", code, who, message });
    let result: T | Promise<T>;
    try {
      result = run();
    } catch (error) {
      end(false);
      throw error;
    }
    if (!(result instanceof Promise)) {
      end(true);
      return result;
    }
    return result.then(
      (value) => {
        end(true);
        return value;
      },
      (error) => {
        end(false);
        throw error;
      },
    );
  }

  perform(command: Command): void | Promise<void> {
    const world = this.#world;
    const context = this.#context;
    const who = this.#who;
    switch (command.do) {
      case "nothing":
        return;
      case "throw":
        throw new PlantedError("receive");
      case "reject":
        return Promise.reject(new PlantedError("receive"));
      case "stop":
        return this.#stop();
      case "stop_and_throw":
        this.#stop();
        throw new PlantedError("receive");
      case "hang":
        return new Promise(() => {});
      case "both": {
        const wait = this.perform(command.first);
        return wait === undefined ? this.perform(command.second) : wait.then(() => this.perform(command.second));
      }
      case "work":
        return world.pass(command.ms)?.then(() => this.perform(command.next));
      case "start_timer": {
        const { key, ms, next } = command;
        const message = world.newMessage("t");
        world.see({ type: "timer_set", who, key, message, ms });
        return context.startTimer(key, ms, { type: message, command: next });
      }
      case "cancel_timer":
        world.see({ type: "timer_cancelled", who, key: command.key });
        return context.cancelTimer(command.key);
      case "run_effect":
        return this.#runEffect(command);
      case "watch": {
        const ref = world.refOf(command.target);
        if (ref === undefined) return;
        const message = world.newMessage("w");
        world.see({ type: "watch_set", who, target: world.cellOf(ref), message });
        return context.watch(ref, (reason) => {
          world.see({ type: "mapped", message, reason, isBroken: false });
          return { type: message, command: command.next };
        });
      }
      case "unwatch": {
        const ref = world.refOf(command.target);
        if (ref === undefined) return;
        world.see({ type: "unwatched", who, target: world.cellOf(ref) });
        return context.unwatch(ref);
      }
      case "send": {
        const ref = world.refOf(command.target);
        if (ref !== undefined) world.send(ref, { type: world.newMessage("m"), command: command.command });
        return;
      }
      case "start_child":
        return world.startChild(command.supervisor, command.child);
      case "stop_child":
        return world.stopChild(command.supervisor, command.child);
    }
  }

  #stop(): void {
    this.#world.see({ type: "stop_called", who: this.#who });
    this.#context.stop();
  }

  #runEffect({ ms, ends, heedsAbort, isBroken, next }: Command & { do: "run_effect" }): void {
    const world = this.#world;
    const message = world.newMessage("e");
    const settle = (isOk: boolean) => world.see({ type: "effect_settled", message, isOk });
    const effect = (signal: AbortSignal): Promise<{ readonly type: string }> => {
      world.see({ type: "effect_begin", who: this.#who, message, signal });
      if (ms === null && ends === "badly") {
        settle(false);
        throw new PlantedError("effect");
      }
      return new Promise((resolve, reject) => {
        let isSettled = false;
        const once = (isOk: boolean, act: () => void) => {
          if (isSettled) return;
          isSettled = true;
          settle(isOk);
          act();
        };
        const finish = () => {
          if (ends === "badly") once(false, () => reject(new PlantedError("effect")));
          else once(true, () => resolve({ type: message }));
        };
        if (heedsAbort) signal.addEventListener("abort", () => once(false, () => reject(signal.reason)));
        if (ends === "never") return;
        const wait = world.pass(ms);
        if (wait === undefined) finish();
        else wait.then(finish);
      });
    };
    const answer = (): Message => {
      world.see({ type: "mapped", message, reason: undefined, isBroken });
      if (isBroken) throw new PlantedError("answer of an effect");
      return { type: message, command: next };
    };
    this.#context.run(effect, answer, answer);
  }
}
