import type { ProbeFinding } from "../../../src/ports/probe.ts";
import { probeSteps } from "../probe_steps.ts";
import type { SlurmCommands } from "./slurm_commands.ts";

export interface SlurmProbeOptions {
  readonly commands: SlurmCommands;
  readonly controlDir: string;
  readonly partition: string | undefined;
  /** Options of sbatch(1) that jobs get, and a script with the configured lines. */
  readonly args: readonly string[];
  readonly script: string;
}

// The directory is used as jobs use it: made when missing, and written to.
const WRITE_PROBE = `mkdir -p -m 700 "$1" && printf ok >"$1/.probe" && cat "$1/.probe" && rm -f "$1/.probe"`;

/** Tries what a job needs, without submitting one. Ends early when nothing else could work. */
export async function probeSlurm(options: SlurmProbeOptions, signal: AbortSignal): Promise<readonly ProbeFinding[]> {
  const { commands, controlDir, partition, args, script } = options;
  const { findings, attempt } = probeSteps();
  const answers = await attempt("Slurm", async () => {
    const partitions = await commands.partitions(signal);
    if (partition?.split(",").some((name) => !partitions.includes(name)) === true) {
      throw new Error(`there is no partition "${partition}"; there are ${partitions.join(", ")}`);
    }
    return `Slurm answers, with the partitions ${partitions.join(", ")}`;
  });
  if (!answers) return findings;
  await attempt("Slurm would not take a job", async () => {
    await commands.test(script, args, signal);
    return "Slurm would take a job with the configured options";
  });
  await attempt(`The directory of records, ${controlDir}, cannot be written`, async () => {
    await commands.shell(WRITE_PROBE, [controlDir], signal);
    return `Records can be written to ${controlDir}`;
  });
  await attempt("Accounting", async () =>
    (await commands.accounts([1], signal)) === undefined
      ? "Slurm keeps no accounts; the records that jobs write are the last witness of their end"
      : "Slurm keeps accounts of ended jobs",
  );
  return findings;
}
