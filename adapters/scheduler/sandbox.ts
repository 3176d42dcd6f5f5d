import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../src/core/errors.ts";
import { type Sandbox, sandboxWords } from "../../src/core/sandbox.ts";
import type { CommandRunner } from "../../src/ports/command_runner.ts";
import type { ProbeFinding } from "../../src/ports/probe.ts";

const PATIENCE_MS = 10_000;
const MAX_SHOWN_BYTES = 1_000;

/** Exit status that nothing but our own command ends with. */
const OWN_STATUS = 42;

/** Tries whether a command in the sandbox works in its directory and can tell how it ended. Leaves nothing behind. */
export async function probeSandbox(
  sandbox: Sandbox,
  runner: CommandRunner,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ProbeFinding> {
  const directory = await mkdtemp(join(tmpdir(), "bartender-probe-"));
  try {
    // Interactive applications have a second directory, which a sandbox may show beside the other.
    const [program = "", ...args] = sandboxWords(sandbox, { directory, files: directory });
    const command = [
      ...args,
      "/bin/sh",
      "-c",
      `echo >"$1/written" && [ -e written ] && exit ${OWN_STATUS}`,
      "sh",
      directory,
    ];
    const limits = { timeoutMs: PATIENCE_MS, maxOutputBytes: MAX_SHOWN_BYTES };
    const result = await runner.run({ program, args: command, cwd: directory, environment, ...limits }, signal);
    if (result.returnCode === OWN_STATUS) return { isOk: true, text: `Commands can be run by ${program}` };
    const end = result.isTimedOut ? `did not end within ${PATIENCE_MS / 1000} s` : `ended with ${result.returnCode}`;
    return { isOk: false, text: `sandbox: ${program} ${end}: ${result.stderr.text.trim() || "it said nothing"}` };
  } catch (error) {
    return { isOk: false, text: `sandbox: ${messageOf(error)}` };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
