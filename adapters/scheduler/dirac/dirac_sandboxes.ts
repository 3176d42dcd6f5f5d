import type { DiracClient } from "../../dirac/dirac_clients.ts";
import type { ScratchDirectory } from "../../dirac/dirac_scratch.ts";
import type { RescuedLogs } from "../../dirac/rescued_logs.ts";
import { type AttemptRecord, parseAttemptRecord, parseObject } from "../attempt_record.ts";
import { asScheduler } from "./dirac_commands.ts";

/** What the script of an ended job has left, see `dirac_script.ts`. */
export interface DiracRecord extends Pick<AttemptRecord, "returnCode"> {
  /** Undefined when it is not the record of one of our scripts. */
  readonly tag: string | undefined;
  /** The other job that has run the attempt; its own number when it was started twice. */
  readonly claimedBy: number | undefined;
  /** True when the output is on grid storage. */
  readonly isStored: boolean;
  /** What went wrong beside the command, for people. */
  readonly problem: string | undefined;
}

/**
 * What DIRAC keeps of an ended job: `absent` when it keeps nothing, or nothing yet; `unknown` when there was no definite
 * answer.
 */
export type DiracSandbox =
  | { readonly type: "record"; readonly record: DiracRecord }
  | { readonly type: "absent" }
  | { readonly type: "unknown"; readonly why: string };

export interface DiracSandboxes {
  /**
   * Reads the records of ended jobs, with one command for all. Logs that are nowhere else are kept for the file system.
   *
   * @param numbers not many at a time, as DIRAC fetches them one by one
   */
  read(numbers: readonly number[], signal: AbortSignal): Promise<ReadonlyMap<number, DiracSandbox>>;
}

/** Sandboxes are small, but each has to be found and fetched. */
const TIMEOUT_MS = 300_000;

// One program for any number of files; the other prints nothing for a file that is not there.
const RECORDS = 'cd "$1" 2>/dev/null || exit 0; grep -s "" -- */record /dev/null; exit 0';
const TAIL = 'cd "$1" && [ -f "$2" ] || exit 0; tail -c 1000000 -- "$2"';

export function diracSandboxes(
  { tools, scratch }: Pick<DiracClient, "tools" | "scratch">,
  logs: Pick<RescuedLogs, "keep">,
): DiracSandboxes {
  const rescue = async (directory: ScratchDirectory, number: number, lines: readonly string[], signal: AbortSignal) => {
    const { head, returnCode } = parseAttemptRecord(lines);
    const jobDirectory = head?.facts.directory;
    if (typeof jobDirectory !== "string") return;
    const files = new Map<string, string>();
    for (const name of ["stdout.txt", "stderr.txt"]) {
      files.set(name, await tools.shell(TAIL, [`${directory.path}/all/${number}`, name], signal));
    }
    if (returnCode !== undefined) files.set("returncode", String(returnCode));
    await logs.keep(jobDirectory, files);
  };

  return {
    read: (numbers, signal) =>
      asScheduler(() =>
        scratch.within(signal, async (directory) => {
          const program = "dirac-wms-job-get-output";
          const args = ["-D", `${directory.path}/all`, ...numbers.map(String)];
          // Names of jobs in the working directory would be taken for directories to leave alone.
          const call = { program, args, isQuiet: true, cwd: directory.path, timeoutMs: TIMEOUT_MS };
          const { stdout, returnCode } = await tools.run(call, signal);
          const records = linesByNumber(await tools.shell(RECORDS, [`${directory.path}/all`], signal));
          const answers = new Map<number, DiracSandbox>();
          for (const number of numbers) {
            const lines = records.get(number);
            const record = lines === undefined ? undefined : parseDiracRecord(lines);
            if (lines !== undefined && record !== undefined) {
              // Here, so that they are safe before anybody learns that the job has ended.
              if (!record.isStored) await rescue(directory, number, lines, signal);
              answers.set(number, { type: "record", record });
            } else {
              answers.set(number, absence(number, stdout, returnCode));
            }
          }
          return answers;
        }),
      ),
  };
}

/** Why there is no record: none was made, or it could not be had. */
export function absence(number: number, stdout: string, returnCode: number): DiracSandbox {
  const isThere = new RegExp(`^Job output sandbox retrieved in .*/${number}/$`, "m").test(stdout);
  const why = new RegExp(`^ERROR ${number}: (.*)$`, "m").exec(stdout)?.[1];
  if (isThere || (why !== undefined && /No \w+ sandbox found|Failed to get job parameters/.test(why)))
    return { type: "absent" };
  return { type: "unknown", why: why ?? `dirac-wms-job-get-output ended with ${returnCode}` };
}

/** @returns undefined for what no script of ours has written */
export function parseDiracRecord(lines: readonly string[]): DiracRecord | undefined {
  const { head, returnCode } = parseAttemptRecord(lines);
  if (head === undefined) return undefined;
  const facts: Record<string, unknown> = Object.assign({}, ...lines.slice(1).map(parseObject));
  const { tag } = head.facts;
  const { claimedBy, stored, problem } = facts;
  return {
    tag: typeof tag === "string" ? tag : undefined,
    returnCode,
    claimedBy: typeof claimedBy === "number" ? claimedBy : undefined,
    isStored: stored === true,
    problem: typeof problem === "string" ? problem : undefined,
  };
}

/** What grep prints of several files: `7/record:line`. */
function linesByNumber(text: string): ReadonlyMap<number, readonly string[]> {
  const files = new Map<number, string[]>();
  for (const line of text.split("\n")) {
    const match = /^([1-9]\d*)\/record:(.*)$/.exec(line);
    if (match === null) continue;
    const number = Number(match[1]);
    const lines = files.get(number) ?? [];
    files.set(number, lines);
    lines.push(match[2] ?? "");
  }
  return files;
}
