import type { Clock } from "../ports/clock.ts";
import { Refusal } from "./refusal.ts";

/** How long a client may let us wait for each {@link EXPECTED_BYTES} of a body, however small its pieces are. */
export const BODY_PATIENCE_MS = 120_000;
const EXPECTED_BYTES = 16_384;

/** The part of a stream's reader that is used here; the runtimes declare the whole of it differently. */
interface ChunkReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/**
 * The chunks of a request body, as they come in; nothing when there is no body.
 *
 * @throws {Refusal} 400 when the body breaks off, 408 when it does not go on; the time that we take ourselves does not
 *   count
 */
export async function* bodyChunks(request: Request, clock: Clock): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader: ChunkReader = request.body.getReader();
  let [leftMs, bytes] = [BODY_PATIENCE_MS, 0];
  try {
    while (true) {
      const startMs = clock.monotonicMs();
      const chunk = await nextChunk(reader, clock, leftMs);
      if (chunk === undefined) return;
      leftMs -= clock.monotonicMs() - startMs;
      bytes += chunk.length;
      if (bytes >= EXPECTED_BYTES) [leftMs, bytes] = [BODY_PATIENCE_MS, 0];
      yield chunk;
    }
  } finally {
    // The runtime throws away what the client still sends, so that it gets to read our answer. Of a connection that
    // is gone nothing is left to cancel.
    reader.cancel().catch(() => undefined);
  }
}

/** @returns undefined at the end */
async function nextChunk(reader: ChunkReader, clock: Clock, patienceMs: number): Promise<Uint8Array | undefined> {
  const late = Promise.withResolvers<"late">();
  const stop = clock.after(patienceMs, () => late.resolve("late"));
  try {
    const next = await Promise.race([reader.read(), late.promise]);
    if (next === "late") throw tooSlow();
    return next.done ? undefined : next.value;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, "The request body ended early", { cause: error });
  } finally {
    stop();
  }
}

/** What comes after all would be taken for the next request, so the connection has to end (RFC 9110 §15.5.9). */
function tooSlow(): Refusal {
  const detail = `The request body came too slowly: waited ${BODY_PATIENCE_MS / 1000} s for ${EXPECTED_BYTES} bytes`;
  return new Refusal(408, detail, { headers: { connection: "close" } });
}

/** A whole request body. @throws {Refusal} as {@link bodyChunks}, and 413 when it has more than `maxBytes` */
export async function readBody(request: Request, maxBytes: number, clock: Clock): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(request, clock)) {
    size += chunk.length;
    if (size > maxBytes) throw new Refusal(413, `Request body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.length;
  }
  return body;
}
