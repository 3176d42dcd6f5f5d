import { assertNever } from "../../src/core/assert_never.ts";
import { JobDirectoryError, TransferError } from "../../src/core/errors.ts";
import { type JobId, jobId } from "../../src/core/ids.ts";
import type { FileSystem } from "../../src/ports/file_system.ts";
import type { JobFiles } from "../../src/ports/job_files.ts";
import type { Leftover, Leftovers } from "../../src/ports/leftovers.ts";
import type { Chaos } from "./chaos.ts";
import type { CallFaults, Line } from "./line.ts";
import type { PromiseKeeper } from "./promise_keeper.ts";
import type { Attempt, SimulatedScheduler } from "./simulated_scheduler.ts";
import type { SimulatedTime } from "./simulated_time.ts";

/** What a directory of a job holds, as far as anybody cares. */
export interface Directory {
  /** What the command wrote; undefined before its end. */
  output: string | undefined;
  readonly madeOnMs: number;
}

const LOCAL_ROOT = "/jobs";
const DISK: CallFaults = { away: "disk_fails" };
const LINK: CallFaults = { away: "transfer_breaks", answerLost: "transfer_breaks", slow: "transfer_is_slow" };

/** The directories of jobs, on the daemon's disk and at the destinations; what is written there stays. */
export class SimulatedFiles {
  /** With the time when they were received. */
  readonly uploads = new Map<string, number>();
  /** Directories that were set aside. */
  readonly orphans = new Map<string, number>();
  /** By absolute path, local ones below `/jobs`. */
  readonly directories = new Map<string, Directory>();
  /** Paths of copies that are under way or were cut off. */
  readonly partial = new Set<string>();
  /** Copies whose removal was refused for good: those are left to the admin. */
  readonly abandoned = new Set<string>();
  #owner: string | undefined;
  readonly #time: SimulatedTime;
  readonly #chaos: Chaos;
  readonly #keeper: PromiseKeeper;

  constructor(time: SimulatedTime, chaos: Chaos, keeper: PromiseKeeper) {
    this.#time = time;
    this.#chaos = chaos;
    this.#keeper = keeper;
  }

  local(id: JobId): string {
    return `${LOCAL_ROOT}/${id}`;
  }

  /** The disk as one daemon reaches it. Of a killed daemon nothing reaches it any more. */
  jobFiles(line: Line): JobFiles {
    const onDisk = <T>(name: string, act: () => T, makeFault: (message: string) => Error, id?: JobId): Promise<T> => {
      const fault = (message: string): Error => {
        // These end the job: only what may be tried again is retried.
        if (id !== undefined) this.#keeper.excuse(id, `disk: ${message}`);
        return makeFault(message);
      };
      return line.call({ name, act, faults: DISK, makeFault: fault, survivesCut: false });
    };
    const broken = (message: string): Error => new Error(`EIO: ${message}`);
    return {
      directory: (id) => this.local(id),
      adopt: (upload, id) =>
        onDisk(
          `adopt ${upload} as ${id}`,
          () => {
            const path = this.local(id);
            const [isUploaded, isPlaced] = [this.uploads.has(upload), this.directories.has(path)];
            if (isPlaced && !isUploaded) return;
            if (isPlaced) throw new JobDirectoryError(`Directory of job ${id} exists already`);
            if (!isUploaded) throw new JobDirectoryError(`Upload of job ${id} is lost`);
            this.uploads.delete(upload);
            this.directories.set(path, { output: undefined, madeOnMs: this.#time.wallMs });
          },
          (message) => new JobDirectoryError(message),
          id,
        ),
      discard: (upload) => onDisk(`discard ${upload}`, () => void this.uploads.delete(upload), broken),
      appendReason: (id, _reason) =>
        onDisk(
          `append reason of ${id}`,
          () => {
            if (!this.directories.has(this.local(id))) throw new Error(`ENOENT: ${this.local(id)}`);
          },
          broken,
        ),
      remove: (id) => onDisk(`remove directory of ${id}`, () => this.#remove(this.local(id), id), broken),
    };
  }

  /** The same disk for those who clean up. @param schedulers those that keep records on it */
  leftovers(line: Line, schedulers: readonly SimulatedScheduler[]): Leftovers {
    const local = schedulers.filter(({ plan }) => plan.canPush);
    const records = (): readonly Attempt[] => local.flatMap(({ attempts }) => attempts);
    const idIn = (path: string): JobId => jobId(Number(path.slice(LOCAL_ROOT.length + 1)));
    const onDisk = <T>(name: string, act: () => T): Promise<T> =>
      line.call({ name, act, faults: DISK, makeFault: (message) => new Error(`EIO: ${message}`), survivesCut: false });
    const changedOnMs = (leftover: Leftover): number | undefined => {
      switch (leftover.kind) {
        case "upload":
          return this.uploads.get(leftover.name);
        case "directory":
          return this.directories.get(this.local(leftover.id))?.madeOnMs;
        case "orphan":
          return this.orphans.get(leftover.name);
        case "incoming":
          return undefined;
        case "record":
          return records().find(({ tag }) => tag === leftover.tag)?.madeOnMs;
        default:
          return assertNever(leftover);
      }
    };
    const remove = (leftover: Leftover): void => {
      switch (leftover.kind) {
        case "upload":
          return void this.uploads.delete(leftover.name);
        case "directory":
          this.#keeper.directorySetAside(leftover.id);
          this.directories.delete(this.local(leftover.id));
          return void this.orphans.set(`${leftover.id}`, this.#time.wallMs);
        case "orphan":
          return void this.orphans.delete(leftover.name);
        case "incoming":
          return;
        case "record":
          for (const scheduler of local) scheduler.dropRecord(leftover.tag);
          return;
        default:
          return assertNever(leftover);
      }
    };
    return {
      owner: async () => this.#owner,
      setOwner: async (instanceId) => {
        this.#owner = instanceId;
      },
      incoming: async () => [],
      uploads: () => onDisk("list uploads", () => [...this.uploads.keys()]),
      directories: () =>
        onDisk("list directories", () => {
          const paths = [...this.directories.keys()].filter((path) => path.startsWith(`${LOCAL_ROOT}/`));
          return paths.map(idIn).sort((a, b) => a - b);
        }),
      orphans: () => onDisk("list orphans", () => [...this.orphans.keys()]),
      records: () => onDisk("list records", () => records().map(({ tag }) => tag)),
      changedOnMs: (leftover) => onDisk(`age of ${JSON.stringify(leftover)}`, () => changedOnMs(leftover)),
      bytes: async () => 0,
      remove: (leftover) => onDisk(`remove ${JSON.stringify(leftover)}`, () => remove(leftover)),
    };
  }

  /** A destination's own file system as one daemon reaches it. */
  remote(name: string, line: Line): FileSystem {
    const locate = (id: JobId): string => `/${name}/${id}`;
    const idOf = (path: string): JobId => jobId(Number(path.slice(path.lastIndexOf("/") + 1)));
    const transfer = (what: string, act: () => void | Promise<void>, id: JobId, signal: AbortSignal): Promise<void> =>
      line.call({
        name: `${what} of ${id} ${what === "upload" ? "to" : "from"} ${name}`,
        act: () => {
          if (this.#chaos.hits("transfer_is_refused")) {
            this.#keeper.excuse(id, `${what} refused`);
            this.abandoned.add(locate(id));
            throw new TransferError("Disk quota exceeded", { retryable: false });
          }
          return act();
        },
        faults: LINK,
        makeFault: (message) => new TransferError(message, { retryable: true }),
        survivesCut: false,
        signal,
      });
    return {
      isStaged: true,
      locate,
      upload: (local, path, signal) =>
        transfer("upload", () => this.#upload(local, path, line, signal), idOf(path), signal),
      download: (path, local, signal) => transfer("download", () => this.#download(path, local), idOf(path), signal),
      remove: (path, signal) => transfer("removal", () => this.#remove(path, idOf(path)), idOf(path), signal),
      async close() {},
    };
  }

  async #upload(local: string, path: string, line: Line, signal: AbortSignal): Promise<void> {
    if (!this.directories.has(local)) throw new TransferError(`${local} is not there`, { retryable: false });
    this.partial.add(path);
    await new Promise<void>((resolve) => this.#time.after(this.#chaos.delayMs("transfer_is_slow"), resolve));
    // Called off, or its daemon dead: what has come is all that comes.
    if (line.isCut || signal.aborted || this.#chaos.hits("transfer_breaks")) {
      throw new TransferError("the link was lost half-way", { retryable: true });
    }
    this.partial.delete(path);
    this.directories.set(path, { output: undefined, madeOnMs: this.#time.wallMs });
  }

  #download(path: string, local: string): void {
    const [from, to] = [this.directories.get(path), this.directories.get(local)];
    if (from === undefined) throw new TransferError(`${path} is not there`, { retryable: false });
    if (to === undefined) throw new TransferError(`${local} is not there`, { retryable: false });
    if (this.#chaos.hits("transfer_breaks")) throw new TransferError("the link was lost", { retryable: true });
    to.output = from.output;
  }

  #remove(path: string, id: JobId): void {
    this.#keeper.directoryRemoved(id, path);
    this.directories.delete(path);
    this.partial.delete(path);
  }
}

/** The file system of a destination that sees the daemon's own directories. */
export const SHARED_FILES: FileSystem = {
  isStaged: false,
  locate: (_id, directory) => directory,
  async upload() {},
  async download() {},
  async remove() {},
  async close() {},
};
