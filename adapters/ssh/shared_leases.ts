/** Things that several users share, each known by a key. */
export interface SharedLeases<T> {
  /** @param open makes the thing for the first of its users; `release` is called after the last lease of it was closed */
  lease(key: string, open: () => Shareable<T>): { readonly value: T; close(): void };
  /** Those that are leased at this moment. */
  values(): readonly T[];
}

interface Shareable<T> {
  readonly value: T;
  release(): void;
}

/** `close` of each lease is idempotent. */
export function sharedLeases<T>(): SharedLeases<T> {
  const shared = new Map<string, { readonly thing: Shareable<T>; leases: number }>();
  return {
    lease(key, open) {
      const entry = shared.get(key) ?? { thing: open(), leases: 0 };
      shared.set(key, entry);
      entry.leases += 1;
      let isClosed = false;
      return {
        value: entry.thing.value,
        close() {
          if (isClosed) return;
          isClosed = true;
          entry.leases -= 1;
          if (entry.leases > 0) return;
          shared.delete(key);
          entry.thing.release();
        },
      };
    },
    values: () => [...shared.values()].map(({ thing }) => thing.value),
  };
}
