import { Worker } from "node:worker_threads";
import { messageOf } from "../../src/core/errors.ts";
import type { Logger } from "../../src/ports/logger.ts";

/** What the thread runs. Found by this name beside this file, also inside of a single executable. */
const SCRIPT = new URL("./spawner_main.ts", import.meta.url);

/** A program that reads nothing and whose output goes nowhere, in a session of its own. */
export interface Program {
  readonly path: string;
  readonly args: readonly string[];
  /** Working directory; absolute. */
  readonly directory: string;
  /** Its whole environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** How a process ended; `lost` when nobody will be told that any more, though it may live on. */
export type ChildEnd =
  | { readonly type: "exited"; readonly status: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly type: "lost" };

/** A process that was started. */
export interface Child {
  readonly pid: number;
  readonly ended: Promise<ChildEnd>;
}

/** Starts processes that outlive this one. */
export interface Spawner {
  /** @throws what the system said, with its `code`; for another reason it is open whether the process was started */
  spawn(program: Program): Promise<Child>;
  /** Lets the processes be, and tells of no more ends. Idempotent. */
  close(): void;
}

export type SpawnerOrder = Program & { readonly number: number };

export type SpawnerNews = { readonly number: number } & (
  | { readonly type: "started"; readonly pid: number }
  | { readonly type: "failed"; readonly message: string; readonly code: string | undefined }
  | { readonly type: "ended"; readonly end: ChildEnd }
);

interface Order {
  readonly started: PromiseWithResolvers<Child>;
  readonly ended: PromiseWithResolvers<ChildEnd>;
}

/**
 * Starts processes on a thread of its own: a thread stands still from `vfork(2)` until the new program is there, which
 * on a busy machine takes longer than all else that a job needs of the daemon's.
 *
 * The thread begins with the first process. When it ends by a fault, the next process is started by another one.
 *
 * @param script default: the real one
 */
export function spawnerThread(logger: Logger, script = SCRIPT): Spawner {
  const orders = new Map<number, Order>();
  let worker: Worker | undefined;
  let lastNumber = 0;
  let isClosed = false;

  const hear = (news: SpawnerNews): void => {
    const order = orders.get(news.number);
    if (order === undefined) return;
    if (news.type === "started") {
      order.started.resolve({ pid: news.pid, ended: order.ended.promise });
      return;
    }
    orders.delete(news.number);
    if (news.type === "ended") order.ended.resolve(news.end);
    else
      order.started.reject(Object.assign(new Error(news.message), news.code === undefined ? {} : { code: news.code }));
    endIfClosed();
  };
  /** Until then it collects the processes that have ended, which would be zombies otherwise. */
  const endIfClosed = (): void => {
    if (isClosed && orders.size === 0) void worker?.terminate();
  };
  const start = (): Worker => {
    const made = new Worker(script, { name: "spawner" });
    const onEnd = (reason: string): void => {
      if (worker !== made) return;
      worker = undefined;
      if (!isClosed) logger.error("The thread that starts commands ended; another one will be started", { reason });
      for (const { started, ended } of orders.values()) {
        started.reject(new Error(`The thread that starts commands ended: ${reason}`));
        ended.resolve({ type: "lost" });
      }
      orders.clear();
    };
    made.on("message", hear);
    made.on("error", (error) => onEnd(messageOf(error)));
    made.on("exit", (status) => onEnd(`it exited with status ${status}`));
    return made;
  };

  return {
    spawn(program) {
      if (isClosed) return Promise.reject(new Error("The spawner is closed"));
      const number = ++lastNumber;
      const order: Order = { started: Promise.withResolvers(), ended: Promise.withResolvers() };
      orders.set(number, order);
      worker ??= start();
      worker.postMessage({ ...program, number } satisfies SpawnerOrder);
      return order.started.promise;
    },
    close() {
      isClosed = true;
      worker?.unref();
      endIfClosed();
    },
  };
}
