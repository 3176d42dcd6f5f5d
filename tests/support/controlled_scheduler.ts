import { type AttemptTag, type SchedulerJobId, schedulerJobId } from "../../src/core/ids.ts";
import type { Outcome, SchedulerStatus } from "../../src/core/job.ts";
import type { JobDescription, Scheduler, StatusListener } from "../../src/ports/scheduler.ts";

/**
 * A scheduler that does what a test says, for what a real one cannot be made to do at a given moment: fail a call,
 * answer late, end a job now.
 */
export interface ControlledScheduler extends Scheduler {
  /** Every submission that reached it, in order; a repeated tag stands once. */
  readonly submitted: readonly { readonly tag: AttemptTag; readonly job: JobDescription }[];
  readonly calls: { submit: number; statuses: number; cancel: number; find: number };
  readonly forgotten: readonly SchedulerJobId[];
  /** Makes the next calls of a method fail, one error each. */
  failNext(method: "submit" | "statuses" | "cancel" | "find", ...errors: readonly Error[]): void;
  /** Holds calls of a method back until the returned function is called. */
  hold(method: "submit" | "cancel"): () => void;
  start(id: SchedulerJobId): void;
  end(id: SchedulerJobId, outcome: Outcome): void;
  /** Loses the command as a restart of its machine does. */
  interrupt(id: SchedulerJobId): void;
  status(id: SchedulerJobId): SchedulerStatus | undefined;
}

export function controlledScheduler(
  options: { readonly capacity?: number; readonly canPush?: boolean } = {},
): ControlledScheduler {
  const submitted: { tag: AttemptTag; job: JobDescription }[] = [];
  const known = new Map<SchedulerJobId, SchedulerStatus>();
  const forgotten: SchedulerJobId[] = [];
  const calls = { submit: 0, statuses: 0, cancel: 0, find: 0 };
  const failures: Record<keyof typeof calls, Error[]> = { submit: [], statuses: [], cancel: [], find: [] };
  const gates = new Map<string, Promise<void>>();
  let listener: StatusListener | undefined;

  const enter = async (method: keyof typeof calls): Promise<void> => {
    calls[method] += 1;
    await gates.get(method);
    const error = failures[method].shift();
    if (error !== undefined) throw error;
  };
  const set = (id: SchedulerJobId, status: SchedulerStatus): void => {
    known.set(id, status);
    listener?.(id, status);
  };
  const scheduler: ControlledScheduler = {
    capacity: options.capacity ?? Number.POSITIVE_INFINITY,
    submitted,
    calls,
    forgotten,
    failNext: (method, ...errors) => void failures[method].push(...errors),
    hold(method) {
      const { promise, resolve } = Promise.withResolvers<void>();
      gates.set(method, promise);
      return () => {
        gates.delete(method);
        resolve();
      };
    },
    start: (id) => set(id, { type: "running" }),
    end: (id, outcome) => set(id, { type: "ended", outcome }),
    interrupt(id) {
      const outcome = { isOk: false, returnCode: null, reason: "The machine was restarted" };
      set(id, { type: "ended", outcome, isInterrupted: true });
    },
    status: (id) => known.get(id),
    async submit(job, tag) {
      await enter("submit");
      const id = schedulerJobId(`s-${tag}`);
      if (!known.has(id)) {
        submitted.push({ tag, job });
        known.set(id, { type: "queued" });
      }
      return id;
    },
    async find(tag) {
      await enter("find");
      const id = schedulerJobId(`s-${tag}`);
      return known.has(id) ? id : undefined;
    },
    async statuses(ids) {
      await enter("statuses");
      return new Map(
        ids.flatMap((id) => {
          const status = known.get(id);
          return status === undefined ? [] : [[id, status] as const];
        }),
      );
    },
    async cancel(id) {
      await enter("cancel");
      if (known.get(id)?.type === "ended") return;
      known.set(id, { type: "ended", outcome: { isOk: false, returnCode: -15, reason: null } });
    },
    async forget(id) {
      forgotten.push(id);
      known.delete(id);
    },
    async close() {},
  };
  if (options.canPush === false) return scheduler;
  return {
    ...scheduler,
    listen(next) {
      listener = next;
      return () => {
        listener = undefined;
      };
    },
  };
}
