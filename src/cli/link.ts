import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, realpath, stat, symlink } from "node:fs/promises";
import { basename, join, resolve, sep } from "node:path";
import type { Environment } from "../config/environment.ts";
import { messageOf } from "../core/errors.ts";
import { schedulerJobId } from "../core/ids.ts";
import type { Job } from "../core/job.ts";
import type { Clock } from "../ports/clock.ts";
import type { JobStore } from "../ports/job_store.ts";
import { type CommandIo, EXIT } from "./io.ts";
import { readConfig } from "./read_config.ts";

export interface LinkOptions {
  /** As typed; relative to the working directory. */
  readonly directory: string;
  readonly submitter: string;
  /** Need not be configured. */
  readonly application: string;
  /** Undefined: the last part of the directory's path. */
  readonly name: string | undefined;
  /** Undefined: as the environment says. */
  readonly config: string | undefined;
  readonly environment: Environment;
  readonly clock: Clock;
  /** The database as it is; refused when it is missing or not up to date. */
  readonly openStore: () => Promise<Pick<JobStore, "insert" | "save" | "remove" | "close">>;
}

/** Lengths of the columns. */
const MAX_NAME = 200;
const MAX_SUBMITTER = 254;

/**
 * Shows a directory that is there already as a finished job, and prints its number. A daemon may be running. Deleting the
 * job removes the link and leaves the directory alone.
 *
 * @returns the exit status: 0 when the job is there; otherwise 1, and nothing is left behind
 */
export async function runLink(options: LinkOptions, io: CommandIo): Promise<number> {
  const config = await readConfig({ ...options, missingJobRoot: "require" }, io);
  if (config === undefined) return EXIT.fault;
  const directory = await realpath(resolve(io.cwd, options.directory)).catch(() => undefined);
  const { submitter, application, name = basename(directory ?? "") } = options;
  const faults = [
    ...(await faultsOfDirectory(options.directory, directory, config.jobRootDir)),
    ...faultsOfText("--submitter", submitter, MAX_SUBMITTER),
    ...faultsOfText("--application", application, MAX_NAME),
    ...(directory === undefined ? [] : faultsOfText("--name", name, MAX_NAME)),
  ];
  for (const fault of faults) io.stderr(`bartender: ${fault}\n`);
  if (faults.length > 0 || directory === undefined) return EXIT.fault;
  try {
    const store = await options.openStore();
    try {
      const job = await insertFinished(store, { submitter, application, name }, options.clock);
      await symlink(directory, join(config.jobRootDir, String(job.id))).catch(async (error: unknown) => {
        await store.remove(job.id);
        throw error;
      });
      io.stdout(`${job.id}\n`);
      return EXIT.ok;
    } finally {
      await store.close();
    }
  } catch (error) {
    io.stderr(`bartender: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
}

async function faultsOfDirectory(
  given: string,
  directory: string | undefined,
  jobRootDir: string,
): Promise<readonly string[]> {
  const shown = JSON.stringify(given);
  if (directory === undefined) return [`file or directory at path ${shown} does not exist`];
  if (!(await stat(directory)).isDirectory()) return [`path ${shown} does not point to a directory`];
  if (isWithin(directory, jobRootDir) || isWithin(jobRootDir, directory)) {
    return [`path ${shown}: expected a directory outside of the job root ${jobRootDir}, which it does not hold either`];
  }
  const isReadable = await access(directory, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  return isReadable ? [] : [`path ${shown} cannot be read`];
}

function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(parent.endsWith(sep) ? parent : parent + sep);
}

function faultsOfText(option: string, text: string, max: number): readonly string[] {
  const { length } = [...text];
  return length >= 1 && length <= max ? [] : [`${option}: expected 1 to ${max} characters, got ${length}`];
}

/**
 * The link follows only now: a row without files that were broken off here is harmless, while a link without its end
 * would be run as a command.
 */
async function insertFinished(
  store: Pick<JobStore, "insert" | "save" | "remove">,
  identity: { readonly submitter: string; readonly application: string; readonly name: string },
  clock: Clock,
): Promise<Job> {
  const nowMs = clock.nowMs();
  const job = await store.insert({ ...identity, parameters: {}, upload: `link-${randomUUID()}` }, nowMs);
  const outcome = { isOk: true, returnCode: null, reason: null };
  const progress = {
    phase: "finished",
    placement: null,
    schedulerJobId: schedulerJobId(identity.name),
    outcome,
  } as const;
  return await store.save({ ...job, progress, updatedOnMs: nowMs, finishedOnMs: nowMs }, nowMs);
}
