import { messageOf } from "../../src/core/errors.ts";
import type { ProbeFinding } from "../../src/ports/probe.ts";

/** What is tried one after the other, and what was found. */
export interface ProbeSteps {
  readonly findings: readonly ProbeFinding[];
  /**
   * Adds what came of one step.
   *
   * @param what begins the finding where it fails
   * @param run resolves with the finding where it succeeds
   * @returns false when it failed
   */
  attempt(what: string, run: () => Promise<string>): Promise<boolean>;
}

export function probeSteps(): ProbeSteps {
  const findings: ProbeFinding[] = [];
  return {
    findings,
    async attempt(what, run) {
      try {
        findings.push({ isOk: true, text: await run() });
        return true;
      } catch (error) {
        findings.push({ isOk: false, text: `${what}: ${messageOf(error)}` });
        return false;
      }
    },
  };
}
