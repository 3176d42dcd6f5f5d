import type { FileHandle } from "node:fs/promises";
import type { ByteRange } from "./byte_range.ts";
import type { EdgeContext } from "./edge.ts";

/** Parts of files up to this size are sent in one piece, larger ones in pieces of it. */
const PIECE_BYTES = 262_144;

/** A body, as the constructor of `Response` takes it. */
type FileBody = Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array> | null;

/**
 * The answer with a part of an open file and its `Content-Length`. Whatever comes of it, the file gets closed.
 *
 * A large part is handed to the runtime, where that can send files, else read as fast as the client takes it.
 */
export async function fileAnswer(
  c: EdgeContext,
  file: FileHandle,
  range: ByteRange,
  init: { readonly status?: number; readonly headers: Readonly<Record<string, string>> },
): Promise<Response> {
  const headers = { ...init.headers, "content-length": String(range.end - range.start) };
  return new Response(await bodyOf(c, file, range), { status: init.status ?? 200, headers });
}

async function bodyOf(c: EdgeContext, file: FileHandle, range: ByteRange): Promise<FileBody> {
  const length = range.end - range.start;
  if (c.req.method !== "HEAD" && length > PIECE_BYTES) {
    return c.env?.fileBody?.(file, range.start, range.end) ?? pieces(file, range);
  }
  try {
    return c.req.method === "HEAD" ? null : await readPart(file, range.start, length);
  } finally {
    await file.close();
  }
}

/** @throws when the file has not that many bytes any more */
async function readPart(file: FileHandle, start: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, start + filled);
    if (bytesRead === 0) throw new Error("A file became shorter while it was read");
    filled += bytesRead;
  }
  return bytes;
}

function pieces(file: FileHandle, { start, end }: ByteRange): ReadableStream<Uint8Array> {
  let position = start;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await readPart(file, position, Math.min(PIECE_BYTES, end - position));
          position += piece.length;
          controller.enqueue(piece);
        } catch (error) {
          await file.close();
          throw error;
        }
        if (position < end) return;
        await file.close();
        controller.close();
      },
      cancel: () => file.close(),
    },
    { highWaterMark: 0 },
  );
}
