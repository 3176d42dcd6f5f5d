import { AsyncLocalStorage } from "node:async_hooks";
import type { Logger } from "../ports/logger.ts";

/** What the log lines of one request have in common. */
interface RequestTrace {
  readonly requestId: string;
  /** Of the trace that the request is part of, 32 hexadecimal digits. Spelled as OpenTelemetry has it in logs. */
  readonly trace_id?: string;
}

const current = new AsyncLocalStorage<RequestTrace>();

/** Longer ones, and other characters, are not taken over: they would stand in every line and every answer. */
const SANE_ID = /^[A-Za-z0-9._:@/+=-]{1,128}$/;

/** Of version 00, or what a later version has in the same places (W3C Trace Context §3.2, §4). */
const TRACE_PARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The trace that a `traceparent` header names; undefined for one that is not well formed, which is to be ignored. */
export function traceIdOf(header: string | null): string | undefined {
  const [, version, traceId, rest] = TRACE_PARENT.exec(header?.trim() ?? "") ?? [];
  return version === "00" && rest !== undefined ? undefined : traceId;
}

/** Runs the handling of a request, so that whatever is logged for it names it. @returns also the id of the request */
export function withRequestTrace<T>(
  headers: Headers,
  nextRequestId: () => string,
  handle: (requestId: string) => T,
): T {
  const asked = headers.get("x-request-id");
  const requestId = asked !== null && SANE_ID.test(asked) ? asked : nextRequestId();
  const traceId = traceIdOf(headers.get("traceparent"));
  const trace = traceId === undefined ? { requestId } : { requestId, trace_id: traceId };
  return current.run(trace, handle, requestId);
}

/** What names the request that is being handled; nothing outside of one. */
export function requestFields(): Readonly<Record<string, string>> {
  return { ...(current.getStore() ?? {}) };
}

/** A logger whose lines name the request that is being handled. */
export function tracedLogger(logger: Logger): Logger {
  return {
    isDebugging: () => logger.isDebugging(),
    debug: (message, fields) => logger.debug(message, { ...requestFields(), ...fields }),
    info: (message, fields) => logger.info(message, { ...requestFields(), ...fields }),
    warn: (message, fields) => logger.warn(message, { ...requestFields(), ...fields }),
    error: (message, fields) => logger.error(message, { ...requestFields(), ...fields }),
    child: (fields) => tracedLogger(logger.child(fields)),
  };
}
