/** Remembers what the newest `capacity` tokens said; a token that is asked for counts as new. */
export class TokenCache<T> {
  readonly #capacity: number;
  readonly #entries = new Map<string, T>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(token: string): T | undefined {
    const value = this.#entries.get(token);
    if (value !== undefined) {
      // A map keeps the order of insertion, so the entry that was not used for longest stands first.
      this.#entries.delete(token);
      this.#entries.set(token, value);
    }
    return value;
  }

  set(token: string, value: T): void {
    this.#entries.delete(token);
    this.#entries.set(token, value);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#capacity) break;
      this.#entries.delete(oldest);
    }
  }

  delete(token: string): void {
    this.#entries.delete(token);
  }
}
