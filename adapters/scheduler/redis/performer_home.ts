import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BartenderError } from "../../../src/core/errors.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import { sqliteWriterLock } from "../../writer_lock/sqlite.ts";
import { isTag } from "../attempt_id.ts";
import { codeOf } from "../process_table.ts";

/** Where a performer keeps what its next life has to know; nobody else uses it at the same time. */
export interface PerformerHome {
  /** Name of the performer, the same in every life. */
  readonly performer: string;
  readonly directory: string;
  /** For the records of attempts. */
  readonly controlDir: string;
  /** The attempts with a record. */
  records(): readonly AttemptTag[];
  /** Idempotent. */
  release(): Promise<void>;
}

/** More performers of one destination on one machine are a mistake. */
const MOST_HOMES = 1000;

/**
 * Takes a home that is free: first one that was not left in order, so that what was begun there is taken over while it
 * lives, though others were freed meanwhile.
 *
 * @param directory for the homes of one destination on one machine; made when it is missing
 * @param host begins the name
 */
export async function openPerformerHome(directory: string, host: string): Promise<PerformerHome> {
  for (const number of byUrgency(directory)) {
    const home = join(directory, String(number));
    const { controlDir } = homePlaces(home);
    mkdirSync(controlDir, { recursive: true, mode: 0o700 });
    const answer = await sqliteWriterLock(join(home, "lock")).tryAcquire();
    if (!answer.isAcquired) continue;
    const mark = join(home, TAKEN);
    writeFileSync(mark, "", { mode: 0o600 });
    return {
      performer: nameIn(home, host),
      controlDir,
      directory: home,
      records: () => recordsIn(controlDir),
      async release() {
        try {
          if (recordsIn(controlDir).length === 0) rmSync(mark, { force: true });
        } finally {
          await answer.lock.release();
        }
      },
    };
  }
  throw new BartenderError("performer_home", `${directory}: more than ${MOST_HOMES} performers are running`);
}

/** In a home that is in use, or was left without order. */
const TAKEN = "taken";

function byUrgency(directory: string): readonly number[] {
  const numbers = Array.from({ length: MOST_HOMES }, (_, index) => index + 1);
  const isLeft = (number: number): boolean => existsSync(join(directory, String(number), TAKEN));
  const there = existsSync(directory) ? readdirSync(directory).map(Number).filter(isLeft) : [];
  const left = new Set(there.toSorted((a, b) => a - b));
  return [...left, ...numbers.filter((number) => !left.has(number))];
}

/** Where things are in a home. */
export function homePlaces(home: string): { readonly controlDir: string } {
  return { controlDir: join(home, "attempts") };
}

/** The attempts with a record in a control directory. */
export function recordsIn(controlDir: string): readonly AttemptTag[] {
  return readdirSync(controlDir).filter(isTag) as AttemptTag[];
}

/** The copy of a machine must not pass for that: both would run the same jobs. So a name only counts on its host. */
function nameIn(home: string, host: string): string {
  const file = join(home, "name");
  const start = `${host.replaceAll(/[^A-Za-z0-9.-]/g, "_").slice(0, 100)}-`;
  try {
    const name = readFileSync(file, "utf8");
    if (name.startsWith(start) && /^[0-9a-f]{12}$/.test(name.slice(start.length))) return name;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const name = `${start}${randomBytes(6).toString("hex")}`;
  writeFileSync(`${file}.new`, name, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return name;
}
