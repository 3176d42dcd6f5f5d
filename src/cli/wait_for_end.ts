import { type ApiClient, ApiError } from "./api_client.ts";
import type { ClientIo, JobJson } from "./client_io.ts";
import { EXIT } from "./io.ts";

/** How soon the events of a job are asked for again when their stream has ended without the job. */
const AGAIN_MS = 2_000;

/** Whether a job with this state has ended. */
export function isEnd(state: string): boolean {
  return state === "ok" || state === "error";
}

/**
 * Waits until a job has ended, by its events, over restarts of the daemon, and says on standard error what becomes of it.
 *
 * @returns the exit status: 0 when the job is `ok`, else 1
 * @throws {ApiError} when the job cannot be asked for any more
 */
export async function waitForEnd(client: ApiClient, id: number, io: ClientIo): Promise<number> {
  for (let last = ""; ; ) {
    const response = await client.request("GET", `/api/job/${id}`, { isRepeatable: true });
    const { state, reason } = (await response.json()) as JobJson;
    if (state !== last) io.stderr(`Job ${id}: ${state}${reason === null ? "" : ` (${reason})`}\n`);
    last = state;
    if (isEnd(state)) return state === "ok" ? EXIT.ok : EXIT.fault;
    const began = io.clock.monotonicMs();
    await nextEvent(client, id, last);
    // A stream that ends at once must not make this a busy wait.
    const restMs = AGAIN_MS - (io.clock.monotonicMs() - began);
    if (restMs > 0) await new Promise<void>((resolve) => void io.clock.after(Math.min(restMs, 200), resolve));
  }
}

/** Resolves when the job is not in state `known` any more, or nobody tells. */
async function nextEvent(client: ApiClient, id: number, known: string): Promise<void> {
  const headers = { accept: "text/event-stream" };
  try {
    const { body } = await client.request("GET", `/api/job/${id}/events`, { headers, isRepeatable: true });
    let text = "";
    for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += piece;
      const states = [...text.matchAll(/"state":"(\w+)"/g)];
      if (states.length > 0 && states.at(-1)?.[1] !== known) return;
    }
  } catch (error) {
    // The stream broke; the job itself is asked next. A refusal is told.
    if (error instanceof ApiError && error.status !== undefined) throw error;
  }
}
