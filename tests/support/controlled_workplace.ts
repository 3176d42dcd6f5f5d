import type { AttemptTag } from "../../src/core/ids.ts";
import type { Workplace } from "../../src/ports/workplace.ts";

/** A workplace whose copies take as long as a test wants, and fail when it wants. */
export interface ControlledWorkplace extends Workplace {
  /** What was called, in order, with its tag. */
  readonly calls: readonly (readonly ["prepare" | "deliver" | "discard", AttemptTag])[];
  /** Makes the next calls of a method fail, one error each. */
  failNext(method: "prepare" | "deliver", ...errors: readonly Error[]): void;
  /** Holds calls of a method back until the returned function is called, or they are called off. */
  hold(method: "prepare" | "deliver"): () => void;
  /** What an earlier life has left. */
  readonly left: AttemptTag[];
}

export function controlledWorkplace(): ControlledWorkplace {
  const calls: ["prepare" | "deliver" | "discard", AttemptTag][] = [];
  const failures = { prepare: [] as Error[], deliver: [] as Error[] };
  const gates = new Map<string, Promise<void>>();
  const left: AttemptTag[] = [];
  const enter = async (method: "prepare" | "deliver", tag: AttemptTag, signal: AbortSignal): Promise<void> => {
    calls.push([method, tag]);
    const calledOff = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => calledOff.resolve(), { once: true });
    if (!signal.aborted) await Promise.race([gates.get(method), calledOff.promise]);
    signal.throwIfAborted();
    const error = failures[method].shift();
    if (error !== undefined) throw error;
  };
  return {
    isStaged: true,
    ...{ calls, left },
    failNext: (method, ...errors) => void failures[method].push(...errors),
    hold(method) {
      const { promise, resolve } = Promise.withResolvers<void>();
      gates.set(method, promise);
      return () => {
        gates.delete(method);
        resolve();
      };
    },
    async prepare({ tag }, signal) {
      await enter("prepare", tag, signal);
      return `/copies/${tag}`;
    },
    deliver: ({ tag }, signal) => enter("deliver", tag, signal),
    async discard(tag) {
      calls.push(["discard", tag]);
    },
    tags: () => left,
    readFrom: async () => undefined,
    close: async () => {},
  };
}
