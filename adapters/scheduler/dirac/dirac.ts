import { createHash } from "node:crypto";
import type { DiracSchedulerConfig } from "../../../src/config/config.ts";
import { messageOf, SchedulerRefusedError } from "../../../src/core/errors.ts";
import { type AttemptTag, parseAttemptTag, type SchedulerJobId } from "../../../src/core/ids.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Logger } from "../../../src/ports/logger.ts";
import type { JobDescription, Scheduler } from "../../../src/ports/scheduler.ts";
import type { DiracClient } from "../../dirac/dirac_clients.ts";
import { INPUT_ARCHIVE, outputArchive } from "../../dirac/job_archives.ts";
import type { RescuedLogs } from "../../dirac/rescued_logs.ts";
import { isTag } from "../attempt_id.ts";
import { idOfNumberedJob, parseNumberedJob } from "../numbered_job.ts";
import { pause } from "../pause.ts";
import { turnTaking } from "../turn_taking.ts";
import { untilClosed } from "../until_closed.ts";
import { asScheduler, diracCommands } from "./dirac_commands.ts";
import { diracJdl, isJdlText } from "./dirac_jdl.ts";
import { diracObserver } from "./dirac_observer.ts";
import { diracSandboxes } from "./dirac_sandboxes.ts";
import { diracScript, SANDBOX } from "./dirac_script.ts";
import { probeDirac } from "./probe_dirac.ts";
import { submissionMarks } from "./submission_marks.ts";

export interface DiracSchedulerOptions extends Omit<DiracSchedulerConfig, "type" | "ssh" | "proxy"> {
  /** DIRAC's commands, as the holder of the proxy of jobs. */
  readonly client: DiracClient;
  /** Where logs go whose job left no output on grid storage. */
  readonly logs: RescuedLogs;
  /** Directory for marks of what was submitted, on this machine; absolute, made when missing. */
  readonly marksDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a job must be unknown to DIRAC, which answers, before it counts as lost. Default: 10 min. */
  readonly lostAfterMs?: number;
  /** How long the record of an ended job may be on its way. Default: 60 s. */
  readonly recordPatienceMs?: number;
  /** How long the node of a killed job may be silent. Default: 2 h, four times DIRAC's own time between two signs of life. */
  readonly killPatienceMs?: number;
  /** Time between the first two looks at a job that is being cancelled, doubled up to a minute. Default: 5 s. */
  readonly cancelLookMs?: number;
  /** Wait of a job before it tries grid storage again, doubled after each try. In seconds. Default: 15. */
  readonly storageRetryS?: number;
}

const DEFAULT_LOST_AFTER_MS = 600_000;
const DEFAULT_RECORD_PATIENCE_MS = 60_000;
const DEFAULT_KILL_PATIENCE_MS = 7_200_000;
const DEFAULT_CANCEL_LOOK_MS = 5_000;
const LONGEST_CANCEL_LOOK_MS = 60_000;
const DEFAULT_STORAGE_RETRY_S = 15;

/** Each is an interpreter of Python that works for a second or two. */
const PARALLEL_COMMANDS = 4;

/** How often in one cancellation DIRAC may fail to end a job that has not ended. */
const MAX_REFUSALS = 3;

/** Names in a job description. */
const SCRIPT = "bartender.sh";
const DESCRIPTION = "bartender.jdl";

/** `JobGroup` may have 32 characters. */
const GROUP_HASH_LENGTH = 22;

/** Logical file names of input data may have 255 characters. */
const LONGEST_DIRECTORY = 240;

/** How far back the job of a tag is looked for. */
const LOOK_BACK_MS = 30 * 86_400_000;

/**
 * Jobs of a DIRAC grid, by its commands.
 *
 * A submission without a definite answer may have got through. So the group of a job is made from the tag of its
 * attempt and looked up before any second try; and what is missed even so does no harm, as the script claims the
 * attempt on grid storage before it runs the command.
 */
export function diracScheduler(options: DiracSchedulerOptions): Scheduler {
  const { client, clock, logger } = options;
  const commands = diracCommands(client);
  const marks = submissionMarks(options.marksDir);
  const open = untilClosed();
  const observer = diracObserver({
    commands,
    sandboxes: diracSandboxes(client, options.logs),
    clock,
    lostAfterMs: options.lostAfterMs ?? DEFAULT_LOST_AFTER_MS,
    recordPatienceMs: options.recordPatienceMs ?? DEFAULT_RECORD_PATIENCE_MS,
    killPatienceMs: options.killPatienceMs ?? DEFAULT_KILL_PATIENCE_MS,
    closed: open.closed,
  });
  const inTurn = turnTaking(PARALLEL_COMMANDS);
  const underWay = new Map<string, Promise<SchedulerJobId>>();

  const lookUp = async (tag: AttemptTag, signal: AbortSignal): Promise<number | undefined> => {
    const day = new Date(clock.nowMs() - LOOK_BACK_MS).toISOString().slice(0, 10);
    const [number] = await commands.select(groupOf(tag), day, signal);
    return number;
  };

  const submitOnce = async (job: JobDescription, tag: AttemptTag, signal: AbortSignal): Promise<SchedulerJobId> => {
    const files = filesOf(job, tag, options);
    const mark = await marks.read(tag);
    const known = mark === undefined ? undefined : (mark.number ?? (await lookUp(tag, signal)));
    const number = known ?? (await hand(files, tag, signal));
    if (mark?.number === undefined) await marks.answered(tag, number);
    return idOfNumberedJob(number, tag);
  };

  const hand = async (files: ReadonlyMap<string, string>, tag: AttemptTag, signal: AbortSignal): Promise<number> => {
    await marks.begin(tag);
    try {
      return await inTurn(() => commands.submit(files, DESCRIPTION, signal));
    } catch (error) {
      if (error instanceof SchedulerRefusedError) await marks.remove(tag);
      throw error;
    }
  };

  const end = async (id: SchedulerJobId, signal: AbortSignal): Promise<void> => {
    let isChecked = false;
    let refusals = 0;
    let delayMs = options.cancelLookMs ?? DEFAULT_CANCEL_LOOK_MS;
    for (;;) {
      const status = await observer.look(id);
      if (status?.type === "ended" || observer.isMissing(id)) return;
      const number = observer.numberOf(id) ?? parseNumberedJob(id)?.number ?? 0;
      if (status !== undefined || observer.livesOn(id)) {
        // A number that DIRAC has given to another job must not be ended.
        if (!isChecked && !(await isOurs(id, number, signal))) return;
        isChecked = true;
        const ask = status?.type === "queued" ? commands.remove : commands.kill;
        try {
          await inTurn(() => ask(number, signal));
        } catch (error) {
          // DIRAC refuses jobs that have ended or are being ended by somebody else, which the next look will tell.
          if (refusals++ === MAX_REFUSALS) throw error;
        }
      }
      await pause(clock, delayMs, signal);
      delayMs = Math.min(2 * delayMs, LONGEST_CANCEL_LOOK_MS);
    }
  };

  const isOurs = async (id: SchedulerJobId, number: number, signal: AbortSignal): Promise<boolean> => {
    const tag = parseNumberedJob(id)?.tag;
    if (tag === undefined) return true;
    const [facts] = await commands.facts([number], signal);
    return facts?.name === tag;
  };

  /** What is thrown unexpectedly is no statement about a job. */
  const whileOpen = <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    open.run(signal, (either) => asScheduler(() => work(either)));

  return {
    capacity: options.maxJobs,
    submit: (job, tag, signal) =>
      whileOpen(signal, (either) => {
        // Called again while it is under way: the same submission serves both.
        const running = underWay.get(tag);
        if (running !== undefined) return running;
        const submission = submitOnce(job, tag, either).finally(() => underWay.delete(tag));
        underWay.set(tag, submission);
        return submission;
      }),
    find: (tag, signal) =>
      whileOpen(signal, async (either) => {
        if (!isTag(tag)) return undefined;
        const number = (await marks.read(tag))?.number ?? (await lookUp(tag, either));
        return number === undefined ? undefined : idOfNumberedJob(number, tag);
      }),
    statuses: (ids, signal) => whileOpen(signal, (either) => observer.statuses(ids, either)),
    cancel: (id, signal) =>
      whileOpen(signal, async (either) => {
        if (parseNumberedJob(id) !== undefined) await end(id, either);
      }),
    async forget(id) {
      const tag = parseNumberedJob(id)?.tag;
      observer.forget(id);
      if (tag === undefined || open.closed.aborted) return;
      try {
        await marks.remove(tag);
      } catch (error) {
        logger.warn("The mark of a submission could not be removed", { tag, reason: messageOf(error) });
      }
    },
    probe: (signal) => probeDirac(client, AbortSignal.any([signal, open.closed])),
    close: async () => open.close(),
  };
}

function groupOf(tag: string): string {
  return `bartender-${createHash("sha256").update(tag).digest("hex").slice(0, GROUP_HASH_LENGTH)}`;
}

/** What is handed to DIRAC. @throws {SchedulerRefusedError} naming what it cannot carry */
function filesOf(job: JobDescription, tag: AttemptTag, options: DiracSchedulerOptions): ReadonlyMap<string, string> {
  check(job, tag);
  const { directory, command } = job;
  const { storageElement, apptainerImage, storageRetryS: retryS = DEFAULT_STORAGE_RETRY_S } = options;
  const { cpuTimeS, platform, sites, bannedSites, tags, processors } = options;
  const { record, stdout, stderr, scriptStdout, scriptStderr } = SANDBOX;
  const description = diracJdl({
    ...{ cpuTimeS, platform, sites, bannedSites, tags, processors },
    name: tag,
    group: groupOf(tag),
    executable: SCRIPT,
    inputData: [`${directory}/${INPUT_ARCHIVE}`],
    outputSandbox: [scriptStdout, scriptStderr, record, stdout, stderr],
    stdout: scriptStdout,
    stderr: scriptStderr,
  });
  const output = outputArchive(parseAttemptTag(tag)?.attempt);
  const script = diracScript({ command, directory, tag, output, storageElement, apptainerImage, retryS });
  return new Map([
    [SCRIPT, script],
    [DESCRIPTION, description],
  ]);
}

function check({ directory, command }: JobDescription, tag: AttemptTag): void {
  if (!isTag(tag)) throw new SchedulerRefusedError(`tag: expected letters, digits and "-", got ${JSON.stringify(tag)}`);
  if (command.includes("\0")) throw new SchedulerRefusedError("command: contains a NUL character");
  if (!directory.startsWith("/") || !isJdlText(directory) || directory.length > LONGEST_DIRECTORY) {
    throw new SchedulerRefusedError(
      `directory: expected an absolute path of at most ${LONGEST_DIRECTORY} letters, digits and _.:/+@~-, got ${JSON.stringify(directory)}`,
    );
  }
}
