/** What is known on disk about one attempt to run a job. */
export interface AttemptRecord {
  /** First line: a number, of the process or of the scheduler, and facts beside it; undefined until it is whole. */
  readonly head: { readonly number: number; readonly facts: Readonly<Record<string, unknown>> } | undefined;
  /** Exit status, negative for a signal; undefined until the command has ended, and for ever when nobody saw it. */
  readonly returnCode: number | undefined;
  /** True when the script was told to end while its command ran, so that a good end of the command says little. */
  readonly isTerminated: boolean;
  /** Why the daemon ended the command. */
  readonly reason: string | undefined;
  /** Last word of the shell on something that went wrong outside the command. */
  readonly notice: string | undefined;
}

/**
 * Reads the record of an attempt as its script leaves it, see `run_script.ts`.
 *
 * First line: a number, a blank, a JSON object. Further lines: `{"returnCode":…}` at the end, `{"reason":…}` by the
 * daemon, anything else by the shell that runs the command.
 */
export function parseAttemptRecord(lines: readonly string[]): AttemptRecord {
  const [first = "", ...others] = lines;
  const head = /^(\d+) (\{.*\})$/.exec(first);
  const facts: Record<string, unknown> = Object.assign({}, ...others.map(parseObject));
  const notices = others.filter((line) => line !== "" && !line.startsWith("{"));
  return {
    head: head === null ? undefined : { number: Number(head[1]), facts: parseObject(head[2]) },
    returnCode: typeof facts.returnCode === "number" ? facts.returnCode : undefined,
    isTerminated: facts.terminated === true,
    reason: typeof facts.reason === "string" ? facts.reason : undefined,
    notice: notices.at(-1),
  };
}

/** A line of a record as JSON. It may have been cut off by a crash; then it says nothing. */
export function parseObject(line: string | undefined): Readonly<Record<string, unknown>> {
  if (line === undefined || !line.startsWith("{")) {
    return {};
  }
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) {
      return {};
    }
    throw error;
  }
}
