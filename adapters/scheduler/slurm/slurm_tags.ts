import type { AttemptTag } from "../../../src/core/ids.ts";
import { inRounds } from "../rounds.ts";
import type { SlurmCommands, SlurmRow } from "./slurm_commands.ts";
import type { SlurmRecords } from "./slurm_records.ts";

export interface SlurmTagsOptions {
  readonly commands: Pick<SlurmCommands, "queueByName" | "accountsByName">;
  readonly records: Pick<SlurmRecords, "read" | "started">;
  /** Ends what is under way. */
  readonly closed: AbortSignal;
}

/**
 * Which tags Slurm has, and their numbers. A tag that it was never handed, neither by this daemon nor by an earlier one,
 * is known to be free without a question.
 */
export interface SlurmTags {
  /** @returns the number of a tag that Slurm has, or undefined when it is known not to have it */
  numberOf(tag: AttemptTag): Promise<number | undefined>;
  /** The same, for a tag of which nothing is known without a question. */
  lookUp(tag: AttemptTag): Promise<number | undefined>;
  /** Slurm is about to be handed the tag; until there is an answer nobody can say whether it has it. */
  handedOver(tag: AttemptTag): void;
  taken(tag: AttemptTag, number: number): void;
  /** Slurm is definitely without it. */
  notTaken(tag: AttemptTag): void;
  forget(tag: string): void;
}

export function slurmTags({ commands, records, closed }: SlurmTagsOptions): SlurmTags {
  /** Tags neither here nor in doubt were never submitted. */
  const known = new Map<string, number>();
  /** Tags whose submission had no definite answer. */
  const doubtful = new Set<string>();
  let firstLook: Promise<void> | undefined;

  /** What an earlier daemon has left to Slurm; asked once. */
  const lookFirst = (): Promise<void> => {
    firstLook ??= (async () => {
      const [queued, started] = await Promise.all([commands.queueByName(undefined, closed), records.started(closed)]);
      for (const { name, number } of queued) known.set(name, number);
      for (const [tag, number] of started) known.set(tag, number);
    })().catch((error: unknown) => {
      firstLook = undefined;
      throw error;
    });
    return firstLook;
  };

  /** After an outage many are in doubt: each command asks for all of them, and a slow cluster is asked no more than others. */
  const rounds = inRounds<AttemptTag, number>(async (tags, signal) => {
    const found = new Map<AttemptTag, number>();
    const missing = (): readonly AttemptTag[] => tags.filter((tag) => !found.has(tag));
    // The record counts first: of two jobs with one tag it names the one that runs the command.
    for (const [tag, { head }] of await records.read(tags, signal)) {
      if (head !== undefined) found.set(tag as AttemptTag, head.number);
    }
    for (const ask of [commands.queueByName, commands.accountsByName]) {
      const names = missing();
      if (names.length === 0) break;
      for (const [name, number] of lowestByName((await ask(names, signal)) ?? [])) found.set(name, number);
    }
    return found;
  }, closed);

  const lookUp = async (tag: AttemptTag): Promise<number | undefined> => {
    const number = await rounds.look(tag);
    if (number !== undefined) known.set(tag, number);
    return number;
  };

  return {
    async numberOf(tag) {
      await lookFirst();
      return known.get(tag) ?? (doubtful.has(tag) ? await lookUp(tag) : undefined);
    },
    lookUp: async (tag) => known.get(tag) ?? (await lookUp(tag)),
    handedOver: (tag) => void doubtful.add(tag),
    taken(tag, number) {
      doubtful.delete(tag);
      known.set(tag, number);
    },
    notTaken: (tag) => void doubtful.delete(tag),
    forget: (tag) => void known.delete(tag),
  };
}

function lowestByName(rows: readonly SlurmRow[]): ReadonlyMap<AttemptTag, number> {
  const numbers = new Map<AttemptTag, number>();
  for (const { name, number } of rows) {
    const tag = name as AttemptTag;
    numbers.set(tag, Math.min(number, numbers.get(tag) ?? number));
  }
  return numbers;
}
