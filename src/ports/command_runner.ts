/** A command that is run to its end. */
export interface CommandDescription {
  /** Looked up in the `PATH` of the command; never a line for a shell. */
  readonly program: string;
  readonly args: readonly string[];
  /** What the command reads; without it, its standard input is empty. */
  readonly stdin?: string;
  /** Working directory on the machine that runs the command; absolute. Without it, where that machine starts commands. */
  readonly cwd?: string;
  /**
   * The whole environment of the command on this machine. On another host it is added to what a log-in gives there;
   * nothing of the daemon's own goes along.
   */
  readonly environment: Readonly<Record<string, string>>;
  /** Greater than 0; a command that runs longer is ended with all its processes. */
  readonly timeoutMs: number;
  /** How much of either output is kept, from its start; the rest is read and thrown away. */
  readonly maxOutputBytes: number;
  /**
   * True for a program that is known to leave nothing running: where it ends by itself and closes its outputs, nobody
   * looks for what it left, which costs some milliseconds on a machine with many processes.
   */
  readonly leavesNothing?: boolean;
}

/** What came of a command. A status other than 0 is no fault of the runner. */
export interface CommandResult {
  /** Exit status; negative when that signal ended the command. */
  readonly returnCode: number;
  /** True when the command was ended because its time was over. */
  readonly isTimedOut: boolean;
  readonly stdout: CommandOutput;
  readonly stderr: CommandOutput;
}

export interface CommandOutput {
  /** Bytes that are not UTF-8 became replacement characters. */
  readonly text: string;
  /** True when the command wrote more than was kept. */
  readonly isTruncated: boolean;
}

/** Runs commands and waits for them. */
export interface CommandRunner {
  /**
   * Runs a command until its first process has ended; what that left running is ended, too. When this resolves or
   * rejects, nothing of the command lives any more. Two exceptions on another host: what runs in the background and
   * has closed its outputs is not seen, and what runs when the link is lost ends there when its time is over.
   *
   * @param signal ends the command; the promise rejects with the reason of the signal then
   * @throws {CommandStartError} when the command was not started; `retryable` tells an unreachable host or a machine
   *   without room from a program that is not there
   * @throws {OutcomeUnknownError} when the link was lost after the command was handed over, or its outputs do not end
   */
  run(command: CommandDescription, signal: AbortSignal): Promise<CommandResult>;
}
