import { Worker } from "node:worker_threads";
import type { Logger } from "../../src/ports/logger.ts";
import type { BatchAnswer, BatchWriter, WriteStatement } from "./sqlite_writer.ts";
import { identityOf, type WriterThreadData, type WriterThreadMessage } from "./writer_thread_messages.ts";

/** What the thread runs. Found by this name beside this file, also inside of a single executable. */
const SCRIPT = new URL("./writer_thread_main.ts", import.meta.url);

interface Question {
  readonly resolve: (answer: BatchAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits on a thread of its own, by a connection of its own, so that a slow disk keeps only those waiting who write.
 *
 * When the thread ends by a fault, what it was asked is rejected, and the next transaction starts another one.
 */
export class WriterThread implements BatchWriter {
  readonly #data: WriterThreadData;
  readonly #logger: Logger;
  readonly #script: URL;
  #worker: Worker | undefined;
  #asked: Question | undefined;

  /**
   * @param path of a database that is there and is in WAL mode; absolute
   * @param script default: the real one
   */
  constructor(path: string, logger: Logger, script = SCRIPT) {
    this.#data = { path, identity: identityOf(path) };
    this.#logger = logger;
    this.#script = script;
  }

  run(batch: readonly WriteStatement[]): Promise<BatchAnswer> {
    return new Promise((resolve, reject) => {
      this.#worker ??= this.#start();
      this.#asked = { resolve, reject };
      post(this.#worker, batch);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    await new Promise<void>((resolve) => {
      worker.on("exit", () => resolve());
      post(worker, "close");
    });
  }

  #start(): Worker {
    const worker = new Worker(this.#script, { workerData: this.#data, name: "database" });
    worker.on("message", (answer: BatchAnswer) => this.#takeQuestion()?.resolve(answer));
    worker.on("error", (error) => this.#ended(worker, error as Error));
    worker.on("exit", (status) => this.#ended(worker, new Error(`it exited with status ${status}`)));
    return worker;
  }

  #ended(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#logger.error("The thread that writes to the database ended; another one will be started", { error });
    this.#takeQuestion()?.reject(new Error(`the thread that writes ended: ${error.message}`, { cause: error }));
  }

  #takeQuestion(): Question | undefined {
    const asked = this.#asked;
    this.#asked = undefined;
    return asked;
  }
}

function post(worker: Worker, message: WriterThreadMessage): void {
  worker.postMessage(message);
}
