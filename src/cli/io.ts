/** The outside world of a command: where it writes, where it stands, which variables it sees. */
export interface CommandIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Working directory, absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Exit statuses of all commands: 0 done; 1 a fault that the message explains (configuration, key, port in use);
 * 2 the command line itself is wrong.
 */
export const EXIT = { ok: 0, fault: 1, usage: 2 } as const;

/** The same for people. */
export const EXIT_TEXT = "0 done, 1 a fault that the message explains, 2 wrong command line";
