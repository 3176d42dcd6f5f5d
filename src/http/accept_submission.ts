import { rm } from "node:fs/promises";
import { basename } from "node:path";
import type { Application } from "../core/application.ts";
import type { JobId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { flushTree } from "../files/flush_to_disk.ts";
import { InputDigest, sealedOn } from "../files/job_input.ts";
import type { Turns } from "../files/turns.ts";
import { makeUniqueDirectory } from "../files/unique_directory.ts";
import type { SubmittedOnce } from "../ports/job_service.ts";
import type { KeyedJob, SubmissionKey } from "../ports/job_store.ts";
import type { ByteSource } from "./byte_source.ts";
import type { EdgeDeps } from "./edge.ts";
import { oneAtATime } from "./one_at_a_time.ts";
import { Refusal } from "./refusal.ts";
import { requestFields } from "./request_trace.ts";
import { unpack } from "./unpack.ts";
import type { ZipIndex } from "./zip_index.ts";

/** A submission of which everything but the data of the archive has been checked. */
export interface Submission {
  readonly submitter: string;
  readonly application: Application;
  readonly parameters: JsonObject;
  /** Of the job. */
  readonly name: string;
  readonly source: ByteSource;
  readonly index: ZipIndex;
  readonly turns: Turns;
  /** Undefined: each time it is sent it is a job of its own. */
  readonly once: SubmissionKey | undefined;
  /** Comes when the client has left. */
  readonly signal: AbortSignal;
}

/** How long a submission waits for another one with the same key. */
const KEY_PATIENCE_MS = 60_000;

/**
 * Makes jobs of submissions, those with a key at most once.
 *
 * @returns accepts one: the number of its job, which an earlier submission with its key may have made
 * @throws {Refusal} 409 while the key is in use, 422 when it stands for something else or the data is damaged
 */
export function submissionAcceptor(deps: Pick<EdgeDeps, "jobs" | "clock" | "logger">) {
  const oneOfAKey = oneAtATime<string>(deps.clock);

  return async (submission: Submission): Promise<JobId> => {
    const { once, submitter, signal } = submission;
    if (once === undefined) return idOf(await accept(submission), submission);
    // In turn, so that the later one neither unpacks in vain nor hears of a job that is undone after all.
    const leave = await oneOfAKey.enter(JSON.stringify([submitter, once.key]), KEY_PATIENCE_MS, signal);
    if (leave === undefined) throw keyInUse("another submission with this key is under way");
    try {
      const earlier = await deps.jobs.keyed(submitter, once.key);
      return idOf(earlier === undefined ? await accept(submission) : { type: "known", earlier }, submission);
    } finally {
      leave();
    }
  };

  /** Unpacks into a private directory that becomes the job's; when it does not, it is removed. */
  async function accept(submission: Submission): Promise<SubmittedOnce> {
    const { source, index, turns, once, submitter, application, parameters, name } = submission;
    const directory = makeUniqueDirectory(deps.jobs.uploadDir, "upload-");
    let submitted: SubmittedOnce | undefined;
    try {
      const trace = requestFields();
      await unpack(source, index, directory, turns);
      // The row is going to be on disk, so its files have to be there, too.
      await flushTree(directory, [...index.tree.directories, ...index.files.map(({ path }) => path)]);
      const upload = basename(directory);
      await deps.jobs.checkDestination(application.name, submitter, upload);
      const input = { digest: await digestOf(index, turns), sealedOnMs: await sealedOn(directory) };
      const origin = { trace, input, retryOf: null };
      const job = { name, application: application.name, submitter, parameters, origin, upload };
      submitted =
        once === undefined
          ? { type: "submitted", job: await deps.jobs.submit(job) }
          : await deps.jobs.submitOnce(job, once);
      if (submitted.type === "submitted")
        deps.logger.info("A job was submitted", { job: submitted.job.id, application: application.name });
      return submitted;
    } finally {
      if (submitted?.type !== "submitted") await discard(directory);
    }
  }

  async function digestOf({ files }: ZipIndex, turns: Turns): Promise<string> {
    const digest = new InputDigest();
    for (const { path, size } of files) {
      digest.add(path, size);
      const turn = turns.next();
      if (turn !== undefined) await turn;
    }
    return digest.toString();
  }

  async function discard(directory: string): Promise<void> {
    try {
      await rm(directory, { recursive: true, force: true });
    } catch (error) {
      // The refusal itself matters more to the client; left-overs are cleared away later.
      deps.logger.warn("Upload directory could not be removed", { directory, error });
    }
  }
}

/** @throws {Refusal} 422 when a key was used for another application, 409 when its job is being deleted */
export function checkApplication(earlier: KeyedJob, application: Application): void {
  if (earlier.application !== application.name) {
    throw otherUse(`the application ${JSON.stringify(earlier.application)}`);
  }
  if (earlier.isBeingDeleted) throw keyInUse("the job that was submitted with this key is being deleted");
}

function idOf(submitted: SubmittedOnce, { application, once }: Submission): JobId {
  if (submitted.type === "submitted") return submitted.job.id;
  checkApplication(submitted.earlier, application);
  if (submitted.earlier.digest !== once?.digest) throw otherUse("other files or form values");
  return submitted.earlier.id;
}

function otherUse(what: string): Refusal {
  return new Refusal(422, `Idempotency-Key: this key was used for ${what}; take a new key for a new submission`);
}

function keyInUse(why: string): Refusal {
  return new Refusal(409, `Idempotency-Key: ${why}, try again later`, { headers: { "retry-after": "5" } });
}
