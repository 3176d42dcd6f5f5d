/**
 * Works on items, at most `limit` at a time, in their order of beginning.
 *
 * @throws the first failure, after what was begun has ended
 */
export async function eachLimited<T>(
  items: AsyncIterable<T> | Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let fault: { readonly error: unknown } | undefined;
  for await (const item of items) {
    if (fault !== undefined) break;
    const one = work(item)
      .catch((error: unknown) => {
        fault ??= { error };
      })
      .finally(() => running.delete(one));
    running.add(one);
    if (running.size >= limit) await Promise.race(running);
  }
  await Promise.all(running);
  if (fault !== undefined) throw fault.error;
}
