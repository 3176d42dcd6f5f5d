import { createHash } from "node:crypto";
import { TransferError } from "../../src/core/errors.ts";
import { type DiracAnswer, lastWordsOf } from "../dirac/dirac_answer.ts";
import type { DiracTools } from "../dirac/dirac_tools.ts";

export interface DiracStorageOptions {
  readonly tools: Pick<DiracTools, "ask">;
  readonly storageElement: string;
}

/** A file as the catalogue knows it. */
export interface CatalogueEntry {
  readonly size: number;
  /** Upper case; empty when the catalogue keeps none. */
  readonly guid: string;
}

/** A file to store. */
export interface StoredFile {
  /** Absolute, on the machine with DIRAC's commands. */
  readonly path: string;
  readonly size: number;
  /** Five groups of hexadecimal digits in upper case: 8-4-4-4-12. */
  readonly guid: string;
}

/**
 * Files on the grid by their logical names, see `dirac-dms-*`. What is registered in the catalogue with a replica is whole:
 * it gets there when the storage element has it. A catalogue that is interrupted, or asked twice at once to make the same
 * directory, keeps a name without replica.
 *
 * Every method throws {@link TransferError}, or what {@link DiracTools.ask} throws.
 */
export interface DiracStorage {
  /** @returns false when the catalogue has the name already, and it is not to be replaced */
  put(lfn: string, file: StoredFile, replaces: boolean, signal: AbortSignal): Promise<boolean>;
  /** What the catalogue knows; undefined when it has no such name. */
  stat(lfn: string, signal: AbortSignal): Promise<CatalogueEntry | undefined>;
  /** Whether the catalogue knows a storage element that has the file. */
  hasReplica(lfn: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Fetches a file into a directory of the machine with DIRAC's commands; its size and checksum were compared.
   *
   * @returns false when the catalogue has no such name
   */
  get(lfn: string, directory: string, signal: AbortSignal): Promise<boolean>;
  /** Removes a directory with all files in it, also from the storage; an absent one is a no-op. */
  clean(lfn: string, signal: AbortSignal): Promise<void>;
}

/** For the commands and for slow storage, beside the time that the bytes take. */
const PATIENCE_MS = 300_000;

/** Slower transfers are given up: less than 250 kB/s. */
const MS_PER_BYTE = 1 / 250;

/** The size of what is fetched is not known before; DIRAC gives up what stands still by itself. */
const FETCH_MS = 6 * 3_600_000;

/** Of the catalogue; storage elements have other words for what they have lost. */
const ABSENT = "No such file or directory";

export function diracStorage({ tools, storageElement }: DiracStorageOptions): DiracStorage {
  const fault = (answer: DiracAnswer): TransferError => faultOf(answer, storageElement);
  return {
    async put(lfn, { path, size, guid }, replaces, signal) {
      const answer = await tools.ask(
        {
          program: "dirac-dms-add-file",
          args: [...(replaces ? ["-f"] : []), lfn, path, storageElement, guid],
          isQuiet: false,
          timeoutMs: PATIENCE_MS + size * MS_PER_BYTE,
        },
        signal,
      );
      if (answer.returnCode === 0 && answer.stdout.includes("Successfully uploaded file")) return true;
      if (answer.stdout.includes("The supplied LFN already exists")) return false;
      throw fault(answer);
    },
    async stat(lfn, signal) {
      const answer = await tools.ask({ program: "dirac-dms-catalog-metadata", args: [lfn], isQuiet: true }, signal);
      const line = answer.stdout.split("\n").find((one) => one.startsWith(`${lfn} `));
      const [size, guid = ""] = line?.slice(lfn.length).trim().split(/\s+/) ?? [];
      if (size !== undefined && /^\d+$/.test(size)) return { size: Number(size), guid: guid.toUpperCase() };
      if (line === `${lfn} ${ABSENT}`) return undefined;
      throw fault(answer);
    },
    async hasReplica(lfn, signal) {
      // Those of storage elements that are banned at the moment, too.
      const args = ["-a", lfn];
      const answer = await tools.ask({ program: "dirac-dms-lfn-replicas", args, isQuiet: false }, signal);
      if (answer.stdout.split("\n").some((line) => line.startsWith(`${lfn} `) && line.includes(storageElement)))
        return true;
      if (/^No replicas found$/m.test(answer.stdout)) return false;
      throw fault(answer);
    },
    async get(lfn, directory, signal) {
      const answer = await tools.ask(
        { program: "dirac-dms-get-file", args: [lfn], isQuiet: true, cwd: directory, timeoutMs: FETCH_MS },
        signal,
      );
      if (answer.returnCode === 0) return true;
      if (answer.stdout.includes(`'${lfn}': '${ABSENT}'`)) return false;
      throw fault(answer);
    },
    async clean(lfn, signal) {
      const answer = await tools.ask({ program: "dirac-dms-clean-directory", args: [lfn], isQuiet: false }, signal);
      const isClean = answer.returnCode === 0 && /^(Cleaning directory .* )?OK$/m.test(answer.stdout);
      if (isClean && !answer.stdout.includes("Failed to remove")) return;
      if (answer.stdout.includes(`Failed to clean folder '${lfn}': ${ABSENT} `)) return;
      throw fault(answer);
    },
  };
}

/** What grid storage says, and what that means. What is not known may pass. */
const REASONS: readonly { readonly pattern: RegExp; readonly reason: string; readonly retryable: boolean }[] = [
  {
    pattern: /access not permitted|Permission denied|EACCES/,
    reason: "The user of the DIRAC proxy may not write there: correct lfn_root or proxy.group",
    retryable: false,
  },
  {
    pattern: /[Nn]o space left|[Nn]ot enough (disk )?space|[Nn]o (free )?space|ENOSPC|[Qq]uota/,
    reason: "The storage element $SE is full",
    retryable: true,
  },
  {
    pattern: /storage element is not currently valid|not allowed|banned/,
    reason: "The storage element $SE is away or does not exist",
    retryable: true,
  },
];

function faultOf(answer: DiracAnswer, storageElement: string): TransferError {
  const text = lastWordsOf(answer);
  // Python's own way of writing it down.
  const [, , told] = /'Message': (['"])(.*?)\1[,}]/.exec(text) ?? [];
  const known = REASONS.find(({ pattern }) => pattern.test(text));
  const reason = known?.reason.replace("$SE", storageElement) ?? `${answer.program} failed with ${storageElement}`;
  return new TransferError(`${reason} (${told ?? text})`, { retryable: known?.retryable ?? true });
}

/** Stores an archive unless it is there; one of ours with another content is replaced, others are left alone. */
export async function putOnce(
  storage: DiracStorage,
  lfn: string,
  file: StoredFile,
  signal: AbortSignal,
): Promise<void> {
  if (await storage.put(lfn, file, false, signal)) return;
  const found = await storage.stat(lfn, signal);
  const isThere = found?.guid === file.guid && found.size === file.size;
  if (isThere && (await storage.hasReplica(lfn, signal))) return;
  if (found !== undefined && found.guid.slice(0, OWNER_DIGITS) !== file.guid.slice(0, OWNER_DIGITS)) {
    throw new TransferError(
      `${lfn} exists already on the grid and is not of this Bartender: remove it, or use another lfn_root`,
      { retryable: false },
    );
  }
  await storage.put(lfn, file, true, signal);
}

/** So many digits of a GUID tell who made it. */
const OWNER_DIGITS = 8;

/** @param content the same for the same file */
export function guidOf(owner: string, content: string): string {
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex").toUpperCase();
  const rest = digest(content);
  const groups = [rest.slice(0, 4), rest.slice(4, 8), rest.slice(8, 12), rest.slice(12, 24)];
  return [digest(owner).slice(0, OWNER_DIGITS), ...groups].join("-");
}
