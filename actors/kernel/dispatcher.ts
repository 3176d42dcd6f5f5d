import type { Clock } from "../../src/ports/clock.ts";
import { Fifo } from "./fifo.ts";

/** Milliseconds of work after which input and output of the process get their turn. */
const SLICE_MS = 8;

/** Something that has work to do from time to time. */
export interface Task {
  /** Kept by the dispatcher: true while the task waits for its turn. */
  isScheduled: boolean;
  /** Does a limited amount of work. Must not throw. */
  turn(): void;
}

/**
 * Gives every actor and supervisor its turns, in the order in which they asked for them.
 *
 * Code of actors runs in their turns only, never inside a call of somebody else. A turn costs no timer: all that is
 * scheduled runs in one microtask. After {@link SLICE_MS} of work, also when spread over many microtasks, the rest
 * waits for one timer of zero delay, so that actors which keep each other busy cannot starve sockets and files.
 */
export class Dispatcher {
  readonly #clock: Clock;
  readonly #tasks = new Fifo<Task>();
  #isAwake = false;
  #workedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks for one turn; asking again before it came changes nothing. */
  schedule(task: Task): void {
    if (task.isScheduled) return;
    task.isScheduled = true;
    this.#tasks.push(task);
    if (!this.#isAwake) this.#wake();
  }

  #wake(): void {
    this.#isAwake = true;
    if (this.#workedMs < SLICE_MS) {
      queueMicrotask(() => this.#run());
    } else {
      this.#workedMs = 0;
      this.#clock.after(0, () => this.#run());
    }
  }

  #run(): void {
    const workedMs = this.#workedMs;
    const startedMs = this.#clock.monotonicMs();
    while (this.#workedMs < SLICE_MS) {
      const task = this.#tasks.shift();
      if (task === undefined) break;
      task.isScheduled = false;
      task.turn();
      this.#workedMs = workedMs + this.#clock.monotonicMs() - startedMs;
    }
    this.#isAwake = false;
    if (this.#tasks.length > 0) this.#wake();
  }
}
