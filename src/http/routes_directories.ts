import type { Buffer } from "node:buffer";
import { turnTaking } from "../files/turns.ts";
import { completedJob, fileNotFound } from "./completed_job.ts";
import { listDirectory, TooManyItemsError } from "./directory_listing.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { Refusal } from "./refusal.ts";
import { openRequestedDirectory } from "./requested_directory.ts";

/** A listing with more items than this is refused. */
const MAX_LISTED_ITEMS = 100_000;

/** Deeper listings than this are cut without complaint; paths cannot be much deeper. */
const MAX_LISTED_DEPTH = 500;

/** How long a listing may hold up other requests at a time, in milliseconds. */
const TURN_MS = 4;

/** What is in the directory of a completed job. */
export function directoryRoutes(deps: EdgeDeps): readonly Route[] {
  const takeTurns = turnTaking(deps.clock, TURN_MS);

  const list = async (c: EdgeContext): Promise<Response> => {
    const { id, parameters: maxDepth } = await completedJob(c, deps, (check) =>
      check.queryPositive("max_depth", 1, MAX_LISTED_DEPTH),
    );
    const start = await openRequestedDirectory(deps.jobs.jobRootDir, id, c.req.param("path") ?? "");
    if (start === undefined) throw fileNotFound();
    try {
      const pieces = await listDirectory(start, { maxDepth, maxItems: MAX_LISTED_ITEMS }, takeTurns());
      return answerWith(pieces);
    } catch (error) {
      if (!(error instanceof TooManyItemsError)) throw error;
      const advice = "list a sub directory or ask for a smaller max_depth";
      throw new Refusal(413, `The directory has more than ${MAX_LISTED_ITEMS} items: ${advice}`, { cause: error });
    } finally {
      start.directory.close();
    }
  };

  return [
    { method: "GET", path: "/api/job/:jobid/directories", handle: list },
    { method: "GET", path: "/api/job/:jobid/directories/:path{[^]*}", handle: list },
  ];
}

function answerWith(pieces: readonly Buffer<ArrayBuffer>[]): Response {
  const length = pieces.reduce((total, piece) => total + piece.length, 0);
  const headers = { "content-type": "application/json", "content-length": String(length) };
  return new Response(new Blob([...pieces]), { headers });
}
