import { StoreUnavailableError } from "../../src/core/errors.ts";
import type { JobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import type { CallFaults, Line } from "./line.ts";
import type { Outside } from "./outside.ts";

const FAULTS: CallFaults = { away: "store_is_away", answerLost: "store_answer_lost", slow: "store_is_slow" };

/**
 * The table as one daemon reaches it. A call that is under way when the daemon dies is made before the next one starts,
 * or never. When an answer is lost, it is found out later what came of the write, as the port promises.
 */
export function reachStore(outside: Outside, line: Line): JobStore {
  const { table } = outside;
  /** Inserted, but nobody was told; taken back before anything else is done. */
  const doubtful = new Set<JobId>();
  /** Saved, as far as is known, without an answer. */
  const unanswered = new WeakSet<Job>();

  const asked = <T>(name: string, act: () => Promise<T>, onFault: () => void = () => {}): Promise<T> =>
    line.call({
      name,
      act: async () => {
        for (const id of doubtful) await table.remove(id);
        doubtful.clear();
        return await act();
      },
      faults: FAULTS,
      makeFault: (message) => {
        onFault();
        return new StoreUnavailableError(message);
      },
      isOut: () => outside.isStoreOut,
      survivesCut: false,
    });
  const inserted = async <T extends Job | undefined>(name: string, act: () => Promise<T>): Promise<T> => {
    let id: JobId | undefined;
    const insert = async (): Promise<T> => {
      const job = await act();
      id = job?.id;
      return job;
    };
    return await asked(name, insert, () => {
      if (id !== undefined) doubtful.add(id);
    });
  };
  const saved = async (job: Job, nowMs: number): Promise<Job> => {
    const row = table.peek(job.id);
    return unanswered.has(job) && row?.version === job.version + 1 ? row : await table.save(job, nowMs);
  };

  return {
    instanceId: table.instanceId,
    insert: (job, nowMs) => inserted(`insert ${job.upload}`, () => table.insert(job, nowMs)),
    insertOnce: (job, once, nowMs) =>
      inserted(`insert ${job.upload} once as ${once.key}`, () => table.insertOnce(job, once, nowMs)),
    keyed: (submitter, key) => asked(`keyed ${key}`, () => table.keyed(submitter, key)),
    hasAtLeast: (submitter, kind, count) => asked("count", () => table.hasAtLeast(submitter, kind, count)),
    get: (id) => asked(`get ${id}`, () => table.get(id)),
    list: (query) => asked(`list of ${query.submitter}`, () => table.list(query)),
    unfinished: (after, limit) => asked(`unfinished after ${after}`, () => table.unfinished(after, limit)),
    finishedBefore: (query) => asked("finished before", () => table.finishedBefore(query)),
    finishedApplications: () => asked("finished applications", () => table.finishedApplications()),
    ids: (after, limit) => asked(`ids after ${after}`, () => table.ids(after, limit)),
    save: (job, nowMs) =>
      asked(
        `save ${job.id} ${job.progress.phase}`,
        () => saved(job, nowMs),
        () => unanswered.add(job),
      ),
    rename: (id, name) => asked(`rename ${id}`, () => table.rename(id, name)),
    remove: (id) => asked(`remove ${id}`, () => table.remove(id)),
    history: (id) => asked(`history of ${id}`, () => table.history(id)),
    ping: () => asked("ping", () => table.ping()),
    close: () => table.close(),
  };
}
