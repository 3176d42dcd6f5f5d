import { Refusal } from "./refusal.ts";

/** The part of a stream's reader that is used here; the runtimes declare the whole of it differently. */
interface ChunkReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** The chunks of a request body, as they come in; nothing when there is no body. */
export async function* bodyChunks(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader: ChunkReader = request.body.getReader();
  try {
    while (true) {
      const { done, value } = await read(reader);
      if (done || value === undefined) return;
      yield value;
    }
  } finally {
    // The runtime throws away what the client still sends, so that it gets to read our answer. Of a connection that
    // is gone nothing is left to cancel.
    reader.cancel().catch(() => undefined);
  }
}

async function read(reader: ChunkReader): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }> {
  try {
    return await reader.read();
  } catch (error) {
    throw new Refusal(400, "The request body ended early", { cause: error });
  }
}

/** A whole request body. @throws {Refusal} 413 when it has more than `maxBytes` */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(request)) {
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
