import { accessSync, constants } from "node:fs";
import {
  type BartenderError,
  messageOf,
  SchedulerRefusedError,
  SchedulerUnavailableError,
} from "../../src/core/errors.ts";
import type { JobDescription } from "../../src/ports/scheduler.ts";
import { isTag } from "./attempt_id.ts";
import { codeOf } from "./process_table.ts";

/** Looks at what no scheduler can run. @throws {SchedulerRefusedError} naming what is wrong */
export function checkDescription(job: JobDescription, tag: string): void {
  if (!isTag(tag)) {
    throw new SchedulerRefusedError(`tag: expected letters, digits and "-", got ${JSON.stringify(tag)}`);
  }
  if (job.command.includes("\0")) {
    throw new SchedulerRefusedError("command: contains a NUL character");
  }
  if (!job.directory.startsWith("/") || job.directory.includes("\0")) {
    throw new SchedulerRefusedError(`directory: expected an absolute path, got ${JSON.stringify(job.directory)}`);
  }
}

/**
 * Looks before anything is started whether a process of this machine could run the job.
 *
 * @throws {SchedulerRefusedError} naming what is wrong
 */
export function checkJob(job: JobDescription, tag: string): void {
  checkDescription(job, tag);
  try {
    accessSync(`${job.directory}/.`, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new SchedulerRefusedError(`Cannot use the job directory: ${messageOf(error)}`, error);
  }
}

/** Faults of `execve(2)` and `chdir(2)` that lie in the job; the others, e.g. no free process, pass. */
const DEFINITE = ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG", "E2BIG", "ENOEXEC"];

/** What it means when no process came into being. */
export function startFailure(error: unknown): BartenderError {
  const message = `The command could not be started: ${messageOf(error)}`;
  return DEFINITE.includes(codeOf(error))
    ? new SchedulerRefusedError(message, error)
    : new SchedulerUnavailableError(message, error);
}
