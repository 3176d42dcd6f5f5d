import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { CommandStartError, messageOf, OutcomeUnknownError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { CommandDescription, CommandRunner } from "../../src/ports/command_runner.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { endProcesses } from "../scheduler/end_processes.ts";
import { ATTEMPT_VARIABLE, codeOf, type ProcessTable, processTable } from "../scheduler/process_table.ts";
import { captureOutput } from "./captured_output.ts";
import { firstOf } from "./first_of.ts";

/** What a runner of local commands needs. */
export interface LocalCommandRunnerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time between SIGTERM and SIGKILL. Default: 1 s. */
  readonly killGraceMs?: number;
  /** How long the outputs may be open when nothing of the command is to be found any more. Default: 5 s. */
  readonly lastOutputMs?: number;
  /** Default: the processes of this machine. */
  readonly table?: ProcessTable;
}

const DEFAULT_GRACE_MS = 1000;
const DEFAULT_LAST_OUTPUT_MS = 5_000;

/** Faults of `execve(2)` and `chdir(2)` that pass: too many processes or open files, no memory. */
const PASSING = ["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"];

/** Outputs that are open for longer after the end of the command are held by something it left behind. */
const LEFTOVER_MS = 200;

/** Runs commands as processes of this machine, each in a session of its own. */
export function localCommandRunner(options: LocalCommandRunnerOptions): CommandRunner {
  const { clock, logger } = options;
  const table = options.table ?? processTable();
  const graceMs = options.killGraceMs ?? DEFAULT_GRACE_MS;
  const lastOutputMs = options.lastOutputMs ?? DEFAULT_LAST_OUTPUT_MS;

  return {
    async run(command, signal) {
      signal.throwIfAborted();
      // Marks all processes of the command, also those that leave its process group.
      const tag = `run-${randomUUID()}`;
      const { groupId, exited, ...pipes } = await start(command, tag);
      const stdout = captureOutput(pipes.stdout, command.maxOutputBytes);
      const stderr = captureOutput(pipes.stderr, command.maxOutputBytes);
      const result = await firstOf(exited, command.timeoutMs, clock, signal);
      const bothEnded = Promise.all([stdout.ended, stderr.ended]);
      const hasEnded = result !== "late" && result !== "aborted";
      if (hasEnded && command.leavesNothing === true && (await isWithin(bothEnded, LEFTOVER_MS, clock))) {
        return { returnCode: result, isTimedOut: false, stdout: stdout.read(), stderr: stderr.read() };
      }
      const ending = endProcesses({
        table,
        clock,
        tag,
        groupId,
        isGroupOurs: true,
        graceMs,
        onStuck(pids) {
          logger.warn("Processes of a command do not end", { program: command.program, pids });
          stdout.abandon();
          stderr.abandon();
          ending.abandon(new Error("Processes of the command do not end"));
        },
      });
      exited.then(() => ending.wake());
      await ending.done;
      const isWhole = await isWithin(Promise.all([bothEnded, exited]), lastOutputMs, clock);
      if (!isWhole) {
        // A process that cannot be found holds them, or Bun missed their end or that of the command, as it does once in
        // many thousand commands (oven-sh/bun#43697).
        stdout.abandon();
        stderr.abandon();
      }
      if (result === "aborted") throw signal.reason;
      if (!isWhole) throw new OutcomeUnknownError(`The end of ${command.program} or of its outputs was not told`);
      return {
        returnCode: await exited,
        isTimedOut: result === "late",
        stdout: stdout.read(),
        stderr: stderr.read(),
      };
    },
  };
}

/** A command on its way. */
interface Started {
  readonly groupId: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves with the return code of the first process. */
  readonly exited: Promise<number>;
}

async function start(command: CommandDescription, tag: string): Promise<Started> {
  try {
    const child = spawn(command.program, command.args, {
      cwd: command.cwd ?? "/",
      env: { ...command.environment, [ATTEMPT_VARIABLE]: tag },
      stdio: [command.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      detached: true,
    });
    if (child.pid === undefined) throw await new Promise((resolve) => child.once("error", resolve));
    const exited = exitOf(child);
    // A command need not read what it is given; the pipe breaks then.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(command.stdin);
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error("The outputs of the command have no pipes");
    return { groupId: child.pid, stdout, stderr, exited };
  } catch (error) {
    const retryable = PASSING.includes(codeOf(error));
    throw new CommandStartError(`The command could not be started: ${messageOf(error)}`, { retryable, cause: error });
  }
}

async function isWithin(ended: Promise<unknown>, limitMs: number, clock: Clock): Promise<boolean> {
  const limit = Promise.withResolvers<boolean>();
  const stop = clock.after(limitMs, () => limit.resolve(false));
  try {
    return await Promise.race([ended.then(() => true), limit.promise]);
  } finally {
    stop();
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("exit", (status, signal) => resolve(status ?? -(signal === null ? 1 : constants.signals[signal])));
  });
}
