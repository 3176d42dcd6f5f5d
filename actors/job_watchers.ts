import type { JobId } from "../src/core/ids.ts";

/** Who wants to be woken when a job has moved on. Keeps nothing of a job that nobody watches. */
export class JobWatchers {
  readonly #wakers = new Map<JobId, Set<() => void>>();

  /** @returns a function that ends it; calling it again does nothing */
  watch(id: JobId, wake: () => void): () => void {
    // The same function may watch twice, and each time ends by itself.
    const waker = (): void => wake();
    const wakers = this.#wakers.get(id) ?? new Set();
    this.#wakers.set(id, wakers.add(waker));
    return () => {
      wakers.delete(waker);
      if (wakers.size === 0 && this.#wakers.get(id) === wakers) this.#wakers.delete(id);
    };
  }

  /** To be called after a step of the job was saved or its row removed. */
  wake(id: JobId): void {
    for (const waker of this.#wakers.get(id) ?? []) waker();
  }

  /** How many jobs are watched. */
  get size(): number {
    return this.#wakers.size;
  }
}
