import { type Checker, type Entry, type Life, Violation } from "./trace.ts";

interface Timer {
  readonly message: string;
  readonly dueMs: number;
}

/** What one cell asked to be told, in its present life. */
interface Asked {
  life: number;
  isListening: boolean;
  isBusy: boolean;
  readonly timers: Map<string, Timer>;
  /** Targets to the messages about their ends. */
  readonly watches: Map<number, string>;
}

type EffectStage = "running" | "settled" | "answered" | "late";

/**
 * Checks the guarantees about timers (not early, not after cancel, replacement or death), watches (exactly one message
 * per end) and effects (exactly one answer while the incarnation lives, none after).
 */
export class NoticeChecker implements Checker {
  readonly #cells = new Map<number, Asked>();
  /** Cells with an incarnation, and those that never had one yet. */
  readonly #isAlive = new Map<number, boolean>();
  /** Messages about ends that have to be asked for before the next quiet moment. */
  readonly #dueWatches = new Map<string, number>();
  readonly #effects = new Map<string, { readonly cell: number; stage: EffectStage }>();

  check(entry: Entry): void {
    switch (entry.type) {
      case "event":
        return this.#onEvent(entry);
      case "code_begin":
        this.#of(entry.who).isBusy = true;
        if (entry.message.startsWith("t")) this.#onTimer(entry.who, entry.message, entry.atMs);
        return;
      case "code_end":
        if (this.#cells.get(entry.who.cell)?.life === entry.who.life) this.#of(entry.who).isBusy = false;
        return;
      case "timer_set":
        this.#listening(entry.who)?.timers.set(entry.key, { message: entry.message, dueMs: entry.atMs + entry.ms });
        return;
      case "timer_cancelled":
        this.#listening(entry.who)?.timers.delete(entry.key);
        return;
      case "watch_set":
        return this.#onWatch(entry.who, entry.target, entry.message);
      case "unwatched":
        return this.#onUnwatch(entry.who, entry.target);
      case "effect_begin":
        this.#effects.set(entry.message, { cell: entry.who.cell, stage: "running" });
        return;
      case "effect_settled":
        return this.#onSettled(entry.message);
      case "mapped":
        return entry.message.startsWith("w") ? this.#onEnd(entry.message) : this.#onAnswer(entry.message);
      case "quiet":
        return this.#onQuiet(entry.atMs);
      default:
        return;
    }
  }

  #onEvent({ event, cell, life }: Entry & { type: "event" }): void {
    if (cell < 0) return;
    switch (event.type) {
      case "starting":
        this.#isAlive.set(cell, true);
        this.#cells.set(cell, { life, isListening: true, isBusy: false, timers: new Map(), watches: new Map() });
        return;
      case "stopping": {
        const asked = this.#cells.get(cell);
        if (asked === undefined) return;
        for (const message of asked.watches.values()) this.#dueWatches.delete(message);
        for (const effect of this.#effects.values()) {
          if (effect.cell === cell && effect.stage !== "answered") effect.stage = "late";
        }
        asked.isListening = false;
        asked.timers.clear();
        asked.watches.clear();
        return;
      }
      case "ended":
        this.#isAlive.set(cell, false);
        for (const asked of this.#cells.values()) this.#expectEnd(asked, cell);
        return;
      default:
        return;
    }
  }

  #onTimer(who: Life, message: string, atMs: number): void {
    const { timers } = this.#of(who);
    for (const [key, timer] of timers) {
      if (timer.message !== message) continue;
      if (atMs < timer.dueMs) throw new Violation("timers", `${message} came to ${who.path} too early`);
      timers.delete(key);
      return;
    }
    throw new Violation("timers", `${message} came to ${who.path} after it was cancelled, replaced or handled`);
  }

  #onWatch(who: Life, target: number, message: string): void {
    const asked = this.#listening(who);
    if (asked === undefined) return;
    const replaced = asked.watches.get(target);
    if (replaced !== undefined && !this.#dueWatches.has(replaced)) asked.watches.delete(target);
    asked.watches.set(target, message);
    // A cell that was never started has its first life before it.
    if (this.#isAlive.get(target) === false) this.#expectEnd(asked, target);
  }

  #expectEnd(asked: Asked, target: number): void {
    const message = asked.watches.get(target);
    if (message !== undefined) this.#dueWatches.set(message, target);
  }

  #onEnd(message: string): void {
    const target = this.#dueWatches.get(message) ?? this.#unbornTarget(message);
    if (target === undefined)
      throw new Violation("watches", `${message} came though nothing ended, or for the second time`);
    this.#dueWatches.delete(message);
    for (const { watches } of this.#cells.values()) {
      if (watches.get(target) === message) watches.delete(target);
    }
  }

  /** What never lived can be given up at any time together with its supervisor, which this checker does not follow. */
  #unbornTarget(message: string): number | undefined {
    for (const { watches } of this.#cells.values()) {
      for (const [target, about] of watches) {
        if (about === message && !this.#isAlive.has(target)) return target;
      }
    }
    return undefined;
  }

  #onUnwatch(who: Life, target: number): void {
    const asked = this.#listening(who);
    const message = asked?.watches.get(target);
    if (message !== undefined) this.#dueWatches.delete(message);
    asked?.watches.delete(target);
  }

  #onSettled(message: string): void {
    const effect = this.#effects.get(message);
    if (effect?.stage === "running") effect.stage = "settled";
  }

  #onAnswer(message: string): void {
    const effect = this.#effects.get(message);
    if (effect?.stage !== "settled") throw new Violation("effects", `${message} answered while ${effect?.stage}`);
    effect.stage = "answered";
  }

  #onQuiet(atMs: number): void {
    for (const message of this.#dueWatches.keys())
      throw new Violation("watches", `the end for ${message} was not told`);
    for (const [message, { stage }] of this.#effects) {
      if (stage === "settled") throw new Violation("effects", `the answer ${message} was not asked for`);
    }
    for (const { isListening, isBusy, timers } of this.#cells.values()) {
      if (!isListening || isBusy) continue;
      for (const { message, dueMs } of timers.values()) {
        if (dueMs < atMs) throw new Violation("timers", `${message} is due since ${atMs - dueMs} ms`);
      }
    }
  }

  #of(who: Life): Asked {
    const asked = this.#cells.get(who.cell);
    if (asked === undefined) throw new Violation("one at a time", `code of ${who.path} runs before its start`);
    return asked;
  }

  /** What `who` asks counts only while it is the present incarnation and its end has not begun. */
  #listening(who: Life): Asked | undefined {
    const asked = this.#cells.get(who.cell);
    return asked?.life === who.life && asked.isListening ? asked : undefined;
  }
}
