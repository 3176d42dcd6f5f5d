import type { ExitReason } from "../../../../actors/kernel/actor.ts";
import type { ActorPlan } from "./program.ts";
import { type Checker, type Code, type Entry, type Guarantee, type Life, Violation } from "./trace.ts";

/** What is known of one incarnation. */
interface LifeSeen {
  readonly number: number;
  stage: "starting" | "running" | "stopping" | "ended";
  stoppingMs: number;
  isAbandoned: boolean;
  /** Its code that the kernel has called and that has not ended. */
  openCode: Code | undefined;
  wasMade: boolean;
  wasStopCalled: boolean;
  onStopCalls: number;
  /** Failures of its code, and crashes that the kernel reported for them. */
  failures: number;
  crashes: number;
  readonly openEffects: Map<string, AbortSignal>;
}

/**
 * Checks the guarantees about single incarnations: one at a time, nothing after the end, an orderly end within the
 * deadline, nothing swallowed.
 */
export class LifeChecker implements Checker {
  readonly #shutdownMs: (path: string) => number;
  readonly #cells = new Map<number, LifeSeen>();
  /** Effects to their lives. */
  readonly #effects = new Map<string, LifeSeen>();
  readonly #sideFailures = { expected: 0, reported: 0 };
  #isOver = false;

  constructor(planAt: (path: string) => ActorPlan | undefined) {
    this.#shutdownMs = (path) => planAt(path)?.shutdownMs ?? 0;
  }

  check(entry: Entry): void {
    switch (entry.type) {
      case "event":
        return this.#onEvent(entry);
      case "code_begin":
        return this.#onCodeBegin(entry.code, entry.who);
      case "code_end":
        return this.#onCodeEnd(entry.code, entry.who, entry.isOk);
      case "stop_called": {
        const life = this.#cells.get(entry.who.cell);
        if (life?.number === entry.who.life) life.wasStopCalled = true;
        return;
      }
      case "effect_begin": {
        const life = this.#alive(entry.who, "effects");
        if (life.stage === "stopping") throw new Violation("effects", `${entry.message} started during the end`);
        life.openEffects.set(entry.message, entry.signal);
        this.#effects.set(entry.message, life);
        return;
      }
      case "effect_settled":
        this.#effects.get(entry.message)?.openEffects.delete(entry.message);
        return;
      case "mapped": {
        const life = this.#effects.get(entry.message);
        if (entry.isBroken && life !== undefined) life.failures++;
        return;
      }
      case "quiet":
        return this.#onQuiet();
      case "over":
        this.#isOver = true;
        if (this.#sideFailures.expected !== this.#sideFailures.reported) {
          throw new Violation("nothing swallowed", `failures beside handlers ${JSON.stringify(this.#sideFailures)}`);
        }
        return;
      default:
        return;
    }
  }

  #onEvent({ event, cell, life: number, atMs }: Entry & { type: "event" }): void {
    if (event.type === "side_failure" && event.what !== "aborted effect" && event.what !== "onExhausted") {
      this.#sideFailures.reported++;
    }
    const life = this.#cells.get(cell);
    const isOfCell = cell >= 0 && event.type !== "side_failure" && event.type !== "dead_letter";
    if (!isOfCell || event.type === "restart_planned" || event.type === "gave_up") return;
    if (this.#isOver) throw new Violation("orderly end", `${event.type} of ${event.path} after the system had stopped`);
    if (event.type === "starting") {
      if (life !== undefined && life.stage !== "ended")
        throw new Violation("one at a time", `${event.path} started twice`);
      this.#cells.set(cell, newLife(number));
      return;
    }
    if (life === undefined || life.stage === "ended") {
      throw new Violation("orderly end", `${event.type} of ${event.path} without a life`);
    }
    switch (event.type) {
      case "started":
        if (!life.wasMade || life.stage !== "starting")
          throw new Violation("one at a time", `${event.path} started early`);
        life.stage = "running";
        return;
      case "crashed":
        life.crashes++;
        return;
      case "stopping":
        if (life.stage === "stopping") throw new Violation("orderly end", `${event.path} ends twice`);
        life.stage = "stopping";
        life.stoppingMs = atMs;
        if (event.reason.type === "normal" && !life.wasStopCalled) {
          throw new Violation("orderly end", `${event.path} stopped without being asked`);
        }
        return;
      case "abandoned":
        life.isAbandoned = true;
        if (atMs - life.stoppingMs !== this.#shutdownMs(event.path)) {
          throw new Violation("orderly end", `${event.path} abandoned after ${atMs - life.stoppingMs} ms`);
        }
        if (life.openCode === undefined && life.openEffects.size === 0) {
          throw new Violation("orderly end", `${event.path} abandoned though nothing was left to wait for`);
        }
        return;
      case "ended":
        return this.#onEnded(event.path, life, event.reason, atMs);
    }
  }

  #onEnded(path: string, life: LifeSeen, reason: ExitReason, atMs: number): void {
    if (life.stage !== "stopping") throw new Violation("orderly end", `${path} ended without stopping`);
    if ((reason.type === "crashed") !== life.crashes > 0) {
      throw new Violation("orderly end", `${path} ended as ${reason.type} with ${life.crashes} crashes`);
    }
    const signals = [...life.openEffects.values()];
    if (signals.some((signal) => !signal.aborted))
      throw new Violation("effects", `${path} ended, an effect was not aborted`);
    if (!life.isAbandoned) {
      if (life.openCode !== undefined) throw new Violation("orderly end", `${path} ended during ${life.openCode}`);
      if (signals.length > 0) throw new Violation("effects", `${path} ended before its effects`);
      if (life.wasMade && life.onStopCalls !== 1) throw new Violation("orderly end", `${path} ended without onStop`);
      if (atMs - life.stoppingMs > this.#shutdownMs(path)) throw new Violation("orderly end", `${path} ended late`);
    }
    life.stage = "ended";
  }

  #onCodeBegin(code: Code, who: Life): void {
    const life = this.#alive(who, "orderly end");
    const describe = `${code} of ${who.path}`;
    if (life.openCode !== undefined) throw new Violation("one at a time", `${describe} during ${life.openCode}`);
    life.openCode = code;
    if (code === "receive" && life.stage !== "running")
      throw new Violation("orderly end", `${describe} while ${life.stage}`);
    if (code === "receive" && life.failures > 0) throw new Violation("orderly end", `${describe} after a crash`);
    if (code === "onStop") life.onStopCalls++;
    if (code === "onStop" && (life.stage !== "stopping" || life.onStopCalls > 1)) {
      throw new Violation("orderly end", `${describe}, ${life.onStopCalls} times, while ${life.stage}`);
    }
    if (code === "factory" && life.wasMade) throw new Violation("one at a time", `${describe} again`);
  }

  #onCodeEnd(code: Code, who: Life, isOk: boolean): void {
    const life = this.#cells.get(who.cell);
    if (life === undefined || life.number !== who.life || life.stage === "ended") {
      if (!isOk) this.#sideFailures.expected++;
      return;
    }
    life.openCode = undefined;
    if (isOk && code === "factory") life.wasMade = true;
    if (!isOk && code === "onStop") this.#sideFailures.expected++;
    if (!isOk && code !== "onStop") life.failures++;
  }

  #onQuiet(): void {
    for (const [cell, life] of this.#cells) {
      if (life.failures !== life.crashes) {
        throw new Violation("nothing swallowed", `cell ${cell}: ${life.failures} failures, ${life.crashes} crashes`);
      }
      if (life.wasStopCalled && (life.stage === "running" || life.stage === "starting")) {
        throw new Violation("orderly end", `cell ${cell} goes on after stop()`);
      }
    }
  }

  /** The incarnation `who`, which must be the one that lives. */
  #alive(who: Life, guarantee: Guarantee): LifeSeen {
    const life = this.#cells.get(who.cell);
    if (life === undefined || life.number !== who.life || life.stage === "ended") {
      throw new Violation(guarantee, `code of ${who.path} runs after the end of its life ${who.life}`);
    }
    return life;
  }
}

function newLife(number: number): LifeSeen {
  return {
    number,
    stage: "starting",
    stoppingMs: 0,
    isAbandoned: false,
    openCode: undefined,
    wasMade: false,
    wasStopCalled: false,
    onStopCalls: 0,
    failures: 0,
    crashes: 0,
    openEffects: new Map(),
  };
}
