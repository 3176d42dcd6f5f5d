import type { SendResult } from "../../../../actors/kernel/actor.ts";
import type { DeadLetterReason } from "../../../../actors/kernel/dead_letters.ts";
import type { TreeNode } from "../../../../actors/kernel/tree_node.ts";
import type { ActorPlan } from "./program.ts";
import { type Checker, type Entry, everyNode, type Life, Violation } from "./trace.ts";

/** The mailbox of one cell as it must be. */
interface Box {
  readonly path: string;
  /** Messages that were accepted and neither handled nor dead, oldest first. */
  waiting: string[];
  /** Answers of effects and ends of watched actors that wait. */
  notices: string[];
  /** The life whose code runs. */
  busyLife: number | undefined;
}

/** What became of one message. */
interface Fate {
  result: SendResult | undefined;
  handled: number;
  readonly letters: DeadLetterReason[];
}

/**
 * Checks order (each lane first in, first out; notices first; no more waiting than the size) and conservation (every
 * message is handled once, waits, or is a dead letter), and that questions are always settled.
 */
export class MessageChecker implements Checker {
  readonly #planAt: (path: string) => ActorPlan | undefined;
  readonly #boxes = new Map<number, Box>();
  readonly #cellAt = new Map<string, number>();
  readonly #fates = new Map<string, Fate>();
  /** Effects to their cells. */
  readonly #effects = new Map<string, number>();
  /** Watches to their watchers and targets. */
  readonly #watches = new Map<string, { readonly cell: number; readonly target: number }>();
  readonly #questions = new Map<string, { readonly dueMs: number; readonly isAnswered: boolean }>();

  constructor(planAt: (path: string) => ActorPlan | undefined) {
    this.#planAt = planAt;
  }

  check(entry: Entry): void {
    switch (entry.type) {
      case "event":
        if (entry.event.type === "starting") this.#box(entry.cell, entry.event.path);
        // A handler that was abandoned may run on, it counts no more.
        if (entry.event.type === "ended") this.#box(entry.cell, entry.event.path).busyLife = undefined;
        if (entry.event.type === "dead_letter")
          this.#onLetter(entry.event.letter.messageType, entry.event.letter.reason);
        return;
      case "sent":
        return this.#onSent(this.#box(entry.cell, entry.path), entry.message, entry.result);
      case "code_begin":
        this.#box(entry.who.cell, entry.who.path).busyLife = entry.who.life;
        if (entry.code === "receive") this.#onHandled(entry.who, entry.message);
        return;
      case "code_end":
        return this.#onCodeEnd(entry.who);
      case "effect_begin":
        this.#effects.set(entry.message, entry.who.cell);
        return;
      case "watch_set":
        this.#watches.set(entry.message, { cell: entry.who.cell, target: entry.target });
        return;
      case "unwatched":
        return this.#onUnwatched(entry.who.cell, entry.target);
      case "mapped":
        // A broken answer crashes the actor and never becomes a message.
        if (entry.isBroken) this.#fates.delete(entry.message);
        else this.#onNotice(entry.message);
        return;
      case "effect_settled":
        if (entry.isOk) this.#fate(entry.message);
        return;
      case "asked":
        this.#questions.set(entry.message, { dueMs: entry.atMs + entry.timeoutMs, isAnswered: entry.isAnswered });
        return;
      case "answered":
        return this.#onAnswered(entry.message, entry.outcome, entry.atMs);
      case "quiet":
        return this.#onQuiet(entry.tree);
      case "over":
        return this.#onOver();
      default:
        return;
    }
  }

  #onCodeEnd(who: Life): void {
    const box = this.#box(who.cell, who.path);
    if (box.busyLife === who.life) box.busyLife = undefined;
  }

  #onSent(box: Box, message: string, result: SendResult): void {
    this.#fate(message).result = result;
    if (result === "dead") return;
    const size = this.#planAt(box.path)?.mailboxSize ?? 0;
    if ((result === "full") !== box.waiting.length >= size) {
      throw new Violation(
        "order",
        `${message} was ${result} with ${box.waiting.length} of ${size} waiting at ${box.path}`,
      );
    }
    if (result === "delivered") box.waiting.push(message);
  }

  #onHandled(who: Life, message: string): void {
    const box = this.#box(who.cell, who.path);
    this.#fate(message).handled++;
    const isNotice = message.startsWith("e") || message.startsWith("w");
    if (isNotice) {
      if (box.notices[0] !== message) {
        throw new Violation("order", `${message} came to ${who.path}, expected of ${box.notices.join(", ") || "none"}`);
      }
      box.notices.shift();
    }
    if (!message.startsWith("m") && !message.startsWith("q")) return;
    if (box.waiting[0] !== message) {
      throw new Violation("order", `${message} came to ${who.path}, expected of ${box.waiting.join(", ") || "none"}`);
    }
    if (box.notices.length > 0) throw new Violation("order", `${message} came to ${who.path} before ${box.notices[0]}`);
    box.waiting.shift();
  }

  #onNotice(message: string): void {
    this.#fate(message);
    const cell = this.#effects.get(message) ?? this.#watches.get(message)?.cell;
    if (cell !== undefined) this.#boxes.get(cell)?.notices.push(message);
  }

  #onLetter(message: string, reason: DeadLetterReason): void {
    this.#fate(message).letters.push(reason);
    for (const box of this.#boxes.values()) {
      if (reason === "actor_ended") box.waiting = box.waiting.filter((other) => other !== message);
      if (reason === "notice_outlived") box.notices = box.notices.filter((other) => other !== message);
    }
  }

  #onUnwatched(cell: number, target: number): void {
    const box = this.#boxes.get(cell);
    if (box === undefined) return;
    const isAbout = (message: string) => this.#watches.get(message)?.target === target;
    for (const message of box.notices.filter(isAbout)) this.#fates.delete(message);
    box.notices = box.notices.filter((message) => !isAbout(message));
  }

  #onAnswered(message: string, outcome: string, atMs: number): void {
    const question = this.#questions.get(message);
    this.#questions.delete(message);
    if (question === undefined) throw new Violation("ask", `${message} was settled twice`);
    if (atMs > question.dueMs) throw new Violation("ask", `${message} was settled too late`);
    const isHandled = (this.#fates.get(message)?.handled ?? 0) > 0;
    if (outcome === "well" && !(question.isAnswered && isHandled))
      throw new Violation("ask", `${message} was never answered`);
    if (!["well", "ask_timeout", "actor_ended", "actor_busy"].includes(outcome)) throw new Violation("ask", outcome);
  }

  #onQuiet(tree: TreeNode): void {
    for (const node of everyNode(tree)) {
      const box = this.#boxes.get(this.#cellAt.get(node.path) ?? -1);
      if (node.kind !== "actor" || box === undefined) continue;
      if (node.state === "running" && box.busyLife === undefined && node.mailboxDepth > 0) {
        throw new Violation("order", `${node.path} is idle with ${node.mailboxDepth} messages`);
      }
      if (node.mailboxDepth < box.waiting.length + box.notices.length) {
        throw new Violation(
          "conservation",
          `${node.path} has lost one of ${[...box.notices, ...box.waiting].join(", ")}`,
        );
      }
    }
  }

  #onOver(): void {
    for (const [message, { result, handled, letters }] of this.#fates) {
      const isSingle = message.startsWith("t") ? handled + letters.length <= 1 : handled + letters.length === 1;
      if (!isSingle)
        throw new Violation("conservation", `${message} was handled ${handled} times, dead: ${letters.join(", ")}`);
      const expected = result === "full" ? "mailbox_full" : result === "dead" ? "actor_dead" : undefined;
      if (expected !== undefined && letters[0] !== expected) {
        throw new Violation("conservation", `${message} was ${result}, yet ${letters[0] ?? "handled"}`);
      }
    }
    for (const question of this.#questions.keys()) throw new Violation("ask", `${question} was never settled`);
  }

  #box(cell: number, path: string): Box {
    let box = this.#boxes.get(cell);
    if (box === undefined) {
      box = { path, waiting: [], notices: [], busyLife: undefined };
      this.#boxes.set(cell, box);
      this.#cellAt.set(path, cell);
    }
    return box;
  }

  #fate(message: string): Fate {
    let fate = this.#fates.get(message);
    if (fate === undefined) {
      fate = { result: undefined, handled: 0, letters: [] };
      this.#fates.set(message, fate);
    }
    return fate;
  }
}
