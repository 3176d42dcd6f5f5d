import { OutcomeUnknownError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { abortable } from "./abortable.ts";
import { runScript } from "./run_script.ts";
import type { SshConnection } from "./ssh_connection.ts";

/** What an account on another host can do. */
export interface RemoteFacts {
  /** It runs commands, and has GNU tar and find. */
  readonly hasTar: boolean;
  /** It has GNU sha256sum. */
  readonly hasSums: boolean;
}

const NOTHING: RemoteFacts = { hasTar: false, hasSums: false };
const PATIENCE_MS = 20_000;
const known = new WeakMap<SshConnection, Promise<RemoteFacts>>();

const SCRIPT = [
  "t=no; s=no",
  "tar --version 2>/dev/null | grep GNU >/dev/null && find / -maxdepth 0 -printf '' 2>/dev/null && t=yes",
  "sha256sum -z /dev/null >/dev/null 2>&1 && s=yes",
  'echo "$t $s"',
].join("; ");

/** Asks the host once; again when it took too long to answer. @throws {ConnectionError} or {OutcomeUnknownError} when it cannot be asked */
export function remoteFacts(connection: SshConnection, clock: Clock, signal: AbortSignal): Promise<RemoteFacts> {
  let asked = known.get(connection);
  if (asked === undefined) {
    asked = ask(connection, clock).catch((error: unknown) => {
      known.delete(connection);
      throw error;
    });
    known.set(connection, asked);
  }
  return abortable(asked, signal);
}

async function ask(connection: SshConnection, clock: Clock): Promise<RemoteFacts> {
  const read = async (output: AsyncIterable<Uint8Array>): Promise<string> => {
    let text = "";
    for await (const piece of output) text += Buffer.from(piece).toString("latin1");
    return text;
  };
  const patience = AbortSignal.timeout(PATIENCE_MS);
  try {
    const result = await runScript({
      connection,
      clock,
      script: SCRIPT,
      use: "command",
      read,
      stallMs: PATIENCE_MS,
      signal: patience,
    });
    if (result.end.type === "unknown") throw new OutcomeUnknownError(`The link to ${connection.name} was lost`);
    const [tar, sums] = (result.value ?? "").trim().split(" ");
    return { hasTar: tar === "yes", hasSums: sums === "yes" };
  } catch (error) {
    // An account that waits for something else than commands.
    if (patience.aborted) {
      known.delete(connection);
      return NOTHING;
    }
    if (error instanceof Error && error.name === "CommandStartError") return NOTHING;
    throw error;
  }
}
