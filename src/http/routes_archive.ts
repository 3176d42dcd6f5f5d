import { assertNever } from "../core/assert_never.ts";
import { tarArchive } from "../files/tar_writer.ts";
import { type TreeEntry, walkTree } from "../files/tree_walker.ts";
import { turnTaking } from "../files/turns.ts";
import { type Compressor, gzip, NO_COMPRESSION, ProgramMissingError, startProgram } from "./archive_compression.ts";
import { zipArchive } from "./archive_zip.ts";
import { completedJob, fileNotFound } from "./completed_job.ts";
import { contentDisposition } from "./content_disposition.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { mediaTypeOfArchive } from "./media_type.ts";
import { anyPattern } from "./name_pattern.ts";
import { type ParameterCheck, queryValue } from "./parameter_check.ts";
import { GivenUpError, producedBody } from "./produced_body.ts";
import { Refusal } from "./refusal.ts";
import { openRequestedDirectory, type RequestedDirectory } from "./requested_directory.ts";

/** So many archives are made at the same time; each takes a few megabytes, those by `xz` a hundred. */
export const MAX_PARALLEL_ARCHIVES = 8;

/** How long a client may take nothing before its archive is given up. */
const MAX_STALL_MS = 120_000;

/** How long archives may hold up other requests at a time, in milliseconds. */
const TURN_MS = 4;

const FORMATS = [".zip", ".tar", ".tar.xz", ".tar.gz", ".tar.bz2"] as const;
type Format = (typeof FORMATS)[number];

interface ArchiveOptions {
  readonly format: Format;
  readonly excludes: readonly string[];
  readonly excludedDirectories: readonly string[];
  /** Empty when the client leaves the name to us. */
  readonly fileName: string;
}

/** Directories of a completed job as archives, made while they are sent. */
export function archiveRoutes(deps: EdgeDeps): readonly Route[] {
  const takeTurns = turnTaking(deps.clock, TURN_MS);
  let running = 0;

  const send = async (c: EdgeContext): Promise<Response> => {
    const { id, parameters: options } = await completedJob(c, deps, (check) => readOptions(c, check));
    const start = await openRequestedDirectory(deps.jobs.jobRootDir, id, c.req.param("path") ?? "");
    if (start === undefined) throw fileNotFound();
    const baseName = start.path === "" ? String(id) : start.path.slice(start.path.lastIndexOf("/") + 1);
    const name = options.fileName === "" ? baseName + options.format : options.fileName;
    const headers = {
      "content-type": mediaTypeOfArchive(name),
      "content-disposition": contentDisposition("attachment", name),
    };
    if (c.req.method === "HEAD") {
      start.directory.close();
      return new Response(null, { headers });
    }
    return new Response(await body(start, options, id), { headers });
  };

  /** Closes the directory, whatever comes of it. */
  const body = async (
    start: RequestedDirectory,
    options: ArchiveOptions,
    jobId: number,
  ): Promise<ReadableStream<Uint8Array>> => {
    running += 1;
    const release = (): void => {
      running -= 1;
      start.directory.close();
    };
    let compressor: Compressor;
    try {
      if (running > MAX_PARALLEL_ARCHIVES) throw tooMany();
      compressor = await compressorFor(options.format);
    } catch (error) {
      release();
      throw error;
    }
    const abort = new AbortController();
    abort.signal.addEventListener("abort", () => compressor.kill());
    const rules = {
      excludesFile: anyPattern(options.excludes),
      excludesDirectory: anyPattern(options.excludedDirectories),
      onSkipped: (path: string, reason: string) =>
        deps.logger.info("Something was left out of an archive", { job: jobId, path, reason }),
    };
    const entries = walkTree(start, rules, takeTurns(), abort.signal);
    return producedBody({
      pieces: compressor.compress(packed(options.format, entries)),
      abort,
      clock: deps.clock,
      maxStallMs: MAX_STALL_MS,
      onEnd(fault) {
        compressor.kill();
        release();
        if (fault instanceof GivenUpError)
          deps.logger.debug("An archive was given up", { job: jobId, reason: fault.message });
        else if (fault !== undefined)
          deps.logger.error("An archive could not be finished", { job: jobId, error: fault });
      },
    });
  };

  return [
    { method: "GET", path: "/api/job/:jobid/archive", handle: send },
    { method: "GET", path: "/api/job/:jobid/archive/:path{[^]*}", handle: send },
  ];
}

function readOptions(c: EdgeContext, check: ParameterCheck): ArchiveOptions {
  return {
    format: check.queryChoice("archive_format", FORMATS),
    excludes: check.queryTexts("exclude"),
    excludedDirectories: check.queryTexts("exclude_dirs"),
    fileName: queryValue(c, "filename") ?? "",
  };
}

function packed(format: Format, entries: AsyncIterable<TreeEntry>): AsyncIterable<Uint8Array> {
  return format === ".zip" ? zipArchive(entries) : tarArchive(entries);
}

async function compressorFor(format: Format): Promise<Compressor> {
  switch (format) {
    case ".zip":
    case ".tar":
      return NO_COMPRESSION;
    case ".tar.gz":
      return gzip();
    case ".tar.xz":
      return program("xz");
    case ".tar.bz2":
      return program("bzip2");
    default:
      return assertNever(format);
  }
}

async function program(name: "xz" | "bzip2"): Promise<Compressor> {
  try {
    return await startProgram(name);
  } catch (error) {
    if (!(error instanceof ProgramMissingError)) throw error;
    throw new Refusal(501, `This server cannot make such archives, as ${name} is not installed`, { cause: error });
  }
}

function tooMany(): Refusal {
  return new Refusal(503, "Too many archives are being made, please try again later", {
    headers: { "retry-after": "10" },
  });
}
