import { type ByteRange, parseByteRange } from "./byte_range.ts";
import { completedJob, fileNotFound } from "./completed_job.ts";
import { isNotModified, isRangeWanted, validatorHeaders, validatorsOf } from "./conditional_request.ts";
import { contentDisposition } from "./content_disposition.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { fileAnswer } from "./file_body.ts";
import { type JobFile, openJobFile } from "./job_files.ts";
import { mediaTypeOfFile, SNIFFED_BYTES } from "./media_type.ts";
import { Refusal } from "./refusal.ts";

/** Single files of a completed job, with ranges and conditional requests (RFC 9110 §13, §14). */
export function fileRoutes(deps: EdgeDeps): readonly Route[] {
  const send = async (c: EdgeContext): Promise<Response> => {
    const { id } = await completedJob(c, deps, () => undefined);
    const file = await openJobFile(deps.jobs.jobRootDir, id, c.req.param("path") ?? "");
    if (file === undefined) throw fileNotFound();
    return answerWith(c, file);
  };
  return [{ method: "GET", path: "/api/job/:jobid/files/:path{[^]*}", handle: send }];
}

async function answerWith(c: EdgeContext, file: JobFile): Promise<Response> {
  let isHandedOver = false;
  try {
    const validators = validatorsOf(file);
    const common = { ...validatorHeaders(validators), "accept-ranges": "bytes" };
    if (isNotModified(c, validators)) return new Response(null, { status: 304, headers: common });
    const part = isRangeWanted(c, validators) ? parseByteRange(c.req.header("range"), file.size) : undefined;
    if (part === "unsatisfiable") {
      const headers = { ...common, "content-range": `bytes */${file.size}` };
      throw new Refusal(416, "Requested range not satisfiable", { headers });
    }
    const headers = {
      ...common,
      "content-type": await mediaTypeOfFile(file.path, () => startOf(file)),
      "content-disposition": contentDisposition("inline", file.path),
    };
    isHandedOver = true;
    if (part === undefined) return await fileAnswer(c, file.handle, { start: 0, end: file.size }, { headers });
    const partial = { ...headers, "content-range": contentRange(part, file.size) };
    return await fileAnswer(c, file.handle, part, { status: 206, headers: partial });
  } finally {
    if (!isHandedOver) await file.handle.close();
  }
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

async function startOf({ handle, size }: JobFile): Promise<Uint8Array> {
  const length = Math.min(SNIFFED_BYTES, size);
  const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}
