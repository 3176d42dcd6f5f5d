import type { FileHandle } from "node:fs/promises";
import { isFinished } from "../core/job.ts";
import { authenticate } from "./authenticate.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { type JobFile, openJobFile } from "./job_files.ts";
import { jobNotFound, requestedJobId } from "./parameter_check.ts";
import { Refusal } from "./refusal.ts";

/** Files up to this size are sent in one piece, larger ones in pieces of it. */
const PIECE_BYTES = 262_144;

/** What the command of a completed job printed. */
export function logRoutes(deps: EdgeDeps): readonly Route[] {
  const send = (fileName: string) => async (c: EdgeContext) => {
    const { username } = await authenticate(c, deps);
    const id = requestedJobId(c);
    const job = await deps.jobs.get(id, username);
    if (job === undefined) throw jobNotFound();
    if (!isFinished(job)) throw new Refusal(425, "Job has not completed");
    const file = await openJobFile(deps.jobs.jobRootDir, id, fileName);
    if (file === undefined) throw new Refusal(404, "File not found");
    return textAnswer(file, c.req.method === "HEAD");
  };
  return [
    { method: "GET", path: "/api/job/:jobid/stdout", handle: send("stdout.txt") },
    { method: "GET", path: "/api/job/:jobid/stderr", handle: send("stderr.txt") },
  ];
}

async function textAnswer(file: JobFile, isHead: boolean): Promise<Response> {
  const headers = { "content-type": "text/plain; charset=utf-8", "content-length": String(file.size) };
  if (!isHead && file.size > PIECE_BYTES) return new Response(pieces(file), { headers });
  try {
    return new Response(isHead ? null : await readStart(file.handle, file.size), { headers });
  } finally {
    await file.handle.close();
  }
}

async function readStart(handle: FileHandle, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
    if (bytesRead === 0) throw new Error("A log file became shorter while it was read");
    filled += bytesRead;
  }
  return bytes;
}

/** The bytes of a file as they were counted when it was opened, read as fast as the client takes them. */
function pieces({ handle, size }: JobFile): ReadableStream<Uint8Array> {
  let position = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = new Uint8Array(Math.min(PIECE_BYTES, size - position));
        const { bytesRead } = await handle.read(piece, 0, piece.length, position).catch(closeAndThrow);
        position += bytesRead;
        if (bytesRead > 0) controller.enqueue(piece.subarray(0, bytesRead));
        if (bytesRead > 0 && position < size) return;
        await handle.close();
        if (position === size) controller.close();
        else controller.error(new Error("A log file became shorter while it was sent"));
      },
      cancel: () => handle.close(),
    },
    { highWaterMark: 0 },
  );

  async function closeAndThrow(error: unknown): Promise<never> {
    await handle.close();
    throw error;
  }
}
