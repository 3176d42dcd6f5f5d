import { randomBytes, randomUUID } from "node:crypto";
import { constants } from "node:os";
import { BartenderError, CommandStartError, messageOf, OutcomeUnknownError } from "../../src/core/errors.ts";
import { shellQuote } from "../../src/core/shell_quote.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { CommandDescription, CommandRunner } from "../../src/ports/command_runner.ts";
import { ATTEMPT_VARIABLE } from "../scheduler/process_table.ts";
import { endRemoteProcesses } from "../ssh/end_remote_processes.ts";
import type { RemoteEnd, RemoteProcess } from "../ssh/remote_process.ts";
import { afterMark, markStatement, scriptLine } from "../ssh/remote_script.ts";
import type { SshConnection } from "../ssh/ssh_connection.ts";
import { captureOutput } from "./captured_output.ts";
import { firstOf } from "./first_of.ts";

/** What a runner of commands on another host needs. */
export interface SshCommandRunnerOptions {
  readonly connection: SshConnection;
  readonly clock: Clock;
  /** Time between SIGTERM and SIGKILL. Default: 1 s. */
  readonly killGraceMs?: number;
  /** How much longer than its time a command may live on a host whose link was lost, in whole seconds. Default: 10. */
  readonly orphanS?: number;
}

const DEFAULT_GRACE_MS = 1_000;

const DEFAULT_ORPHAN_S = 10;

/** Outputs that are open for longer after the end of the command are held by something it left behind. */
const LEFTOVER_MS = 200;

/** Runs commands on another host, each in a session of its own. */
export function sshCommandRunner(options: SshCommandRunnerOptions): CommandRunner {
  const { connection, clock } = options;
  const graceMs = options.killGraceMs ?? DEFAULT_GRACE_MS;
  const orphanS = options.orphanS ?? DEFAULT_ORPHAN_S;
  return {
    async run(command, signal) {
      signal.throwIfAborted();
      const mark = randomBytes(8).toString("hex");
      const variable = `${ATTEMPT_VARIABLE}=run-${randomUUID()}`;
      const process = await start(connection, scriptLine(commandScript(command, mark, variable, orphanS)), signal);
      let words: readonly string[] = [];
      const filter = afterMark(mark, (line) => {
        words = line.split(" ");
      });
      const stdout = captureOutput(process.stdout.pipe(filter), command.maxOutputBytes);
      const stderr = captureOutput(process.stderr, command.maxOutputBytes);
      // Left open without input: an ended channel can no longer carry signals.
      if (command.stdin !== undefined) process.stdin.end(command.stdin);
      const result = await firstOf(process.exited, command.timeoutMs, clock, signal);
      const endAll = async (): Promise<void> => {
        const pid = Number(words[1]) || undefined;
        await endRemoteProcesses({ connection, process, variable, pid, graceMs, clock });
      };
      if (result === "late" || result === "aborted" || (await isHeldOpen(process, clock))) {
        await endAll();
      }
      const end = await soon(process, clock, graceMs);
      if (end.type !== "unknown" && result !== "aborted") await Promise.all([stdout.ended, stderr.ended]);
      process.abandon();
      if (result === "aborted") throw signal.reason;
      if (end.type === "unknown") {
        throw new OutcomeUnknownError(`The link to ${connection.name} was lost while a command was running`);
      }
      if (words[0] !== "started") throw startFault(words[0], command);
      return {
        returnCode: returnCodeOf(end),
        isTimedOut: result === "late",
        stdout: stdout.read(),
        stderr: stderr.read(),
      };
    },
  };
}

async function start(connection: SshConnection, line: string, signal: AbortSignal): Promise<RemoteProcess> {
  try {
    return await connection.exec(line, "command", signal);
  } catch (error) {
    if (signal.aborted || error instanceof OutcomeUnknownError || error instanceof CommandStartError) throw error;
    throw new CommandStartError(messageOf(error), {
      retryable: error instanceof BartenderError && error.retryable,
      cause: error,
    });
  }
}

/**
 * Prints the mark, then becomes the command. Where the host has `timeout(1)`, nothing outlives its time for long even
 * when the link is lost.
 */
function commandScript(command: CommandDescription, mark: string, variable: string, orphanS: number): string {
  const { program, args, cwd, environment, timeoutMs } = command;
  const words = [program, ...args].map(shellQuote).join(" ") + (command.stdin === undefined ? " </dev/null" : "");
  const limitS = Math.ceil(timeoutMs / 1000) + orphanS;
  return [
    ...(cwd === undefined
      ? []
      : [`cd -- ${shellQuote(cwd)} >/dev/null 2>&1 || { ${markStatement(mark, "directory")}; exit 127; }`]),
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${shellQuote(value)}`),
    `export ${variable}`,
    `command -v ${shellQuote(program)} >/dev/null || { ${markStatement(mark, "program")}; exit 127; }`,
    markStatement(mark, '"started $$"'),
    `command -v timeout >/dev/null && exec timeout -k 5 ${limitS} ${words}`,
    `exec ${words}`,
  ].join("; ");
}

function startFault(word: string | undefined, { cwd, program }: CommandDescription): CommandStartError {
  const why = {
    directory: `the working directory ${cwd} cannot be entered`,
    program: `there is no program ${program}`,
  }[word ?? ""];
  return new CommandStartError(
    `The command could not be started: ${why ?? "the login shell of the account ended before it"}`,
    { retryable: false },
  );
}

/** True when outputs stay open although the command has ended. */
async function isHeldOpen(process: RemoteProcess, clock: Clock): Promise<boolean> {
  return (await withLimit(process.closed, LEFTOVER_MS, clock)) === undefined;
}

/** How the command ended; unknown when it does not end in time. */
async function soon(process: RemoteProcess, clock: Clock, graceMs: number): Promise<RemoteEnd> {
  return (await withLimit(process.closed, graceMs + 10_000, clock)) ?? { type: "unknown" };
}

async function withLimit<T>(work: Promise<T>, limitMs: number, clock: Clock): Promise<T | undefined> {
  const limit = Promise.withResolvers<undefined>();
  const stop = clock.after(limitMs, () => limit.resolve(undefined));
  try {
    return await Promise.race([work, limit.promise]);
  } finally {
    stop();
  }
}

function returnCodeOf(end: Exclude<RemoteEnd, { type: "unknown" }>): number {
  if (end.type === "exited") return end.status;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return -(numbers[end.signal] ?? 1);
}
