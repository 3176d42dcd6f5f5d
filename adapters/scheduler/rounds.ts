import type { SchedulerJobId } from "../../src/core/ids.ts";

/** Looks at jobs with as few commands as it can. */
type Observe<Finding> = (
  ids: readonly SchedulerJobId[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<SchedulerJobId, Finding>>;

/** Looks at jobs by commands that tell of many at a time. */
export interface Rounds<Finding> {
  readonly lookAtAll: Observe<Finding>;
  /** What is found about one job; shares the commands with whoever looks at the same time. */
  look(id: SchedulerJobId): Promise<Finding | undefined>;
}

/**
 * Runs one round after the other, so that a scheduler is never asked twice at a time.
 *
 * @param closed ends the rounds that nobody else can call off
 */
export function inRounds<Finding>(observe: Observe<Finding>, closed: AbortSignal): Rounds<Finding> {
  let turn: Promise<unknown> = Promise.resolve();
  let gathering: { ids: Set<SchedulerJobId>; answer: ReturnType<Observe<Finding>> } | undefined;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work, work);
    turn = result.catch(() => undefined);
    return result;
  };
  return {
    lookAtAll: (ids, signal) => inTurn(() => observe(ids, signal)),
    async look(id) {
      if (gathering === undefined) {
        const ids = new Set<SchedulerJobId>();
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
