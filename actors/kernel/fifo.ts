/** Consumed places that are tolerated at the front before the array is cut. */
const SLACK = 32;

/** First in, first out, in amortised constant time; an array's own `shift` moves every element. */
export class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** @returns the oldest item; undefined when empty. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head++];
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > SLACK && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Removes the items for which `isUnwanted` holds; the others keep their order. */
  removeWhere(isUnwanted: (item: T) => boolean): void {
    this.#items = this.toArray().filter((item) => !isUnwanted(item));
    this.#head = 0;
  }

  /** Removes everything. @returns what was removed, oldest first. */
  drain(): readonly T[] {
    const items = this.toArray();
    this.#items = [];
    this.#head = 0;
    return items;
  }

  toArray(): T[] {
    return this.#items.slice(this.#head);
  }
}
