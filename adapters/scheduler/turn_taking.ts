/** Runs what it is given when it is its turn. */
export type TakeTurns = <T>(work: () => Promise<T>) => Promise<T>;

/** Lets at most `places` pieces of work run at a time, first come, first served. */
export function turnTaking(places: number): TakeTurns {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
