/** Looks at things, e.g. jobs by their ids, with as few commands as it can. */
type Observe<Id, Finding> = (ids: readonly Id[], signal: AbortSignal) => Promise<ReadonlyMap<Id, Finding>>;

/** Looks by commands that tell of many at a time. */
export interface Rounds<Id, Finding> {
  readonly lookAtAll: Observe<Id, Finding>;
  /** What is found about one; shares the commands with whoever looks at the same time. */
  look(id: Id): Promise<Finding | undefined>;
}

/**
 * Runs one round after the other, so that a scheduler is never asked twice at a time.
 *
 * @param closed ends the rounds that nobody else can call off
 */
export function inRounds<Id, Finding>(observe: Observe<Id, Finding>, closed: AbortSignal): Rounds<Id, Finding> {
  let turn: Promise<unknown> = Promise.resolve();
  let gathering: { ids: Set<Id>; answer: ReturnType<Observe<Id, Finding>> } | undefined;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work, work);
    turn = result.catch(() => undefined);
    return result;
  };
  return {
    lookAtAll: (ids, signal) => inTurn(() => observe(ids, signal)),
    async look(id) {
      if (gathering === undefined) {
        const ids = new Set<Id>();
        const answer = inTurn(() => {
          gathering = undefined;
          return observe([...ids], closed);
        });
        gathering = { ids, answer };
      }
      gathering.ids.add(id);
      return (await gathering.answer).get(id);
    },
  };
}
