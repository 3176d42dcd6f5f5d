/**
 * The reason for which a promise is rejected. Unlike `expect(…).rejects`, which turns the event loop itself while it
 * waits, it also sees what depends on a message of a thread: in that inner loop Bun delivers none.
 */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  const rejected = await promise.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );
  if (rejected === undefined) throw new Error("expected a rejection, but the promise was fulfilled");
  return rejected.reason;
}
