import {
  BusyError,
  DestinationAwayError,
  JobDirectoryError,
  StoreUnavailableError,
  TransferError,
} from "../core/errors.ts";
import type { Logger } from "../ports/logger.ts";
import { diskFull, isDiskFull } from "./free_space.ts";
import { Refusal } from "./refusal.ts";

/** How long a client should wait before it repeats a request that the daemon had no room for, in seconds. */
const RETRY_AFTER_S = "5";

/** An answer with a JSON body; the content type has no charset. */
export function jsonAnswer(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", ...headers } });
}

/**
 * Turns whatever a handler threw into an answer with a `detail`. What is not a refusal is logged with its cause,
 * and the client gets to know nothing of it.
 */
export function answerTo(error: unknown, logger: Logger): Response {
  const refusal = refusalOf(error);
  if (refusal !== undefined) return jsonAnswer({ detail: refusal.detail }, refusal.status, refusal.headers);
  logger.error("Request failed", { error });
  return jsonAnswer({ detail: "Internal Server Error" }, 500);

  function refusalOf(fault: unknown): Refusal | undefined {
    if (fault instanceof Refusal) return fault;
    if (fault instanceof BusyError) return unavailable(fault.message);
    if (fault instanceof StoreUnavailableError) {
      logger.warn("Job store is unavailable", { error: fault });
      return unavailable("The job store is not available, please try again later");
    }
    if (fault instanceof DestinationAwayError) {
      const retryAfter = String(Math.max(1, Math.ceil(fault.retryMs / 1000)));
      return new Refusal(503, fault.message, { headers: { "retry-after": retryAfter } });
    }
    if (fault instanceof TransferError)
      return unavailable(`The destination of the job does not answer: ${fault.message}`);
    if (isDiskFull(fault)) {
      logger.error("The disk is full", { error: fault });
      return diskFull(fault);
    }
    if (fault instanceof JobDirectoryError) {
      logger.error("Directory of a job could not be made", { error: fault });
      return new Refusal(500, "Failed to create directory for job.");
    }
    return undefined;
  }
}

function unavailable(detail: string): Refusal {
  return new Refusal(503, detail, { headers: { "retry-after": RETRY_AFTER_S } });
}
