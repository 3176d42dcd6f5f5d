import { StoreUnavailableError } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";
import type { HistoryEntry } from "../ports/job_store.ts";
import type { EdgeDeps } from "./edge.ts";
import { historyToJson } from "./job_json.ts";
import type { Follower } from "./live_stream.ts";

/** How often something is sent when nothing happens, so that nobody on the way takes the connection for dead. */
export const HEARTBEAT_MS = 15_000;

/** How long a client waits before it connects again. */
export const RECONNECT_MS = 3_000;

/** How soon a store that could not be reached is asked again. */
const STORE_RETRY_MS = 1_000;

/** A line that starts with a colon is a comment, which clients skip. */
const HEARTBEAT = encode(":\n\n");

/** Which events of whose job. */
export interface JobEventsRequest {
  readonly id: JobId;
  readonly username: string;
  /** Version of the last step that the client knows. */
  readonly after: number;
}

/** What is new of a job. */
interface News {
  readonly text: string;
  /** Version of the newest step. */
  readonly version: number;
  /** True when nothing can come after it. */
  readonly isEnd: boolean;
}

/**
 * The steps of a job as server-sent events (HTML Living Standard §9.2), each read from the store when it is sent: first
 * the ones that the client does not know, then those that come, until the job has ended or is gone.
 */
export async function* jobEvents(
  deps: EdgeDeps,
  request: JobEventsRequest,
  follower: Follower,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Something at once: only then clients, and runtimes that send the headers along, know that they are connected.
  yield encode(`:\nretry: ${RECONNECT_MS}\n\n`);
  let { after } = request;
  for (let isCurrent = false; !follower.hasLeft(); ) {
    if (!isCurrent) {
      const news = await newsOf(deps, { ...request, after });
      if (news !== undefined) {
        if (news.text !== "") yield encode(news.text);
        if (news.isEnd) return;
        after = Math.max(after, news.version);
        isCurrent = true;
      }
    }
    // The client connects again, and then goes on after the last event that it got.
    if (follower.isStopping()) return;
    if (await follower.sleep(isCurrent ? HEARTBEAT_MS : STORE_RETRY_MS)) isCurrent = false;
    else yield HEARTBEAT;
  }
}

/** @returns undefined when the store cannot be reached, which says nothing about the job */
async function newsOf({ jobs, logger }: EdgeDeps, request: JobEventsRequest): Promise<News | undefined> {
  const { id, username, after } = request;
  try {
    const entries = await jobs.history(id, username);
    const last = entries?.at(-1);
    if (entries === undefined || last === undefined) return goneNews(request);
    const isEnd = last.phase === "finished";
    const job = isEnd ? await jobs.get(id, username) : undefined;
    if (isEnd && job === undefined) return goneNews(request);
    const returnCode = job?.progress.phase === "finished" ? job.progress.outcome.returnCode : null;
    const steps = entries.filter(({ version }) => version > after);
    return { text: steps.map((step) => stepEvent(step, returnCode)).join(""), version: last.version, isEnd };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    logger.warn("The history of a followed job could not be read", { job: id, error });
    return undefined;
  }
}

function goneNews({ id, after }: JobEventsRequest): News {
  return { text: `event: deleted\ndata: ${JSON.stringify({ id })}\n\n`, version: after, isEnd: true };
}

/** @param returnCode of the job, told with its end */
function stepEvent(step: HistoryEntry, returnCode: number | null): string {
  const isEnd = step.phase === "finished";
  const data = { ...historyToJson(step), ...(isEnd && returnCode !== null ? { returncode: returnCode } : {}) };
  // JSON has no line breaks of its own, which would end the data.
  return `id: ${step.version}\nevent: state\ndata: ${JSON.stringify(data)}\n\n`;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
