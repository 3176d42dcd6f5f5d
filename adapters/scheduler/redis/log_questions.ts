import { randomBytes } from "node:crypto";
import { messageOf } from "../../../src/core/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { FilePart } from "../../../src/ports/file_system.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import { isTag } from "../attempt_id.ts";
import type { QueueKeys } from "./queue_keys.ts";
import { decodeLogAnswer, encodeLogQuestion } from "./queue_messages.ts";
import type { RedisConnection } from "./redis_connection.ts";

/** How long a performer may take for an answer. */
const PATIENCE_MS = 5_000;

/** Asks performers for parts of the logs of what they run; nothing is kept in Redis of either. */
export interface LogQuestions {
  /** @returns undefined when no performer has the attempt or the file, or none answers in time */
  read(
    id: string,
    fileName: string,
    fromByte: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<FilePart | undefined>;
}

export function logQuestions(options: {
  readonly connection: RedisConnection;
  readonly keys: QueueKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}): LogQuestions {
  const { connection, keys, clock, logger } = options;
  const asker = randomBytes(12).toString("hex");
  const waiting = new Map<number, (part: FilePart | undefined) => void>();
  let questions = 0;

  connection.subscribe(keys.logAnswers(asker), (text) => {
    try {
      const { question, part } = decodeLogAnswer(text);
      waiting.get(question)?.(part);
    } catch (error) {
      logger.warn("An answer of a performer that cannot be understood", { reason: messageOf(error) });
    }
  });

  return {
    async read(id, fileName, fromByte, maxBytes, signal) {
      if (!isTag(id) || (fileName !== "stdout.txt" && fileName !== "stderr.txt")) return undefined;
      const question = ++questions;
      const { promise, resolve } = Promise.withResolvers<FilePart | undefined>();
      const onAbort = (): void => resolve(undefined);
      const stop = clock.after(PATIENCE_MS, onAbort);
      signal.addEventListener("abort", onAbort, { once: true });
      waiting.set(question, resolve);
      try {
        const state = await connection.ask(signal, (client) => client.hGet(keys.attempt(id), "state"));
        if (state !== "begun") return undefined;
        const message = encodeLogQuestion({ tag: id, fileName, fromByte, maxBytes, asker, question });
        await connection.ask(signal, (client) => client.publish(keys.logQuestions, message));
        return await promise;
      } catch (error) {
        logger.debug("A performer could not be asked for a log", { tag: id, reason: messageOf(error) });
        return undefined;
      } finally {
        stop();
        signal.removeEventListener("abort", onAbort);
        waiting.delete(question);
      }
    },
  };
}
