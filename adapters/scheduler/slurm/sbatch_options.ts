import type { SlurmSchedulerConfig } from "../../../src/config/config.ts";
import type { AttemptTag } from "../../../src/core/ids.ts";
import { grantedResources } from "../../../src/core/job_resources.ts";
import type { JobDescription } from "../../../src/ports/scheduler.ts";

/** What a destination is configured with for its jobs. */
export type SlurmDefaults = Pick<
  SlurmSchedulerConfig,
  "partition" | "isSubmitterAccount" | "account" | "qos" | "time" | "resources" | "limits"
>;

/** Options of sbatch(1) for a job. */
export function sbatchOptions(job: JobDescription, tag: AttemptTag, options: SlurmDefaults): readonly string[] {
  const { partition, isSubmitterAccount, qos } = options;
  const { cpus, memoryMb, gpus, timeS } = grantedResources(job.resources, options.resources, options.limits);
  const time = timeS === undefined ? options.time : slurmTime(timeS);
  const account = isSubmitterAccount ? job.submitter : options.account;
  // As arguments, not as lines of the script: nothing in a value can be taken for something else.
  return [
    `--job-name=${tag}`,
    `--comment=${tag} ${job.application}`,
    "--output=stdout.txt",
    "--error=stderr.txt",
    "--open-mode=append",
    ...(partition === undefined ? [] : [`--partition=${partition}`]),
    ...(time === undefined ? [] : [`--time=${time}`]),
    ...(account === undefined ? [] : [`--account=${account}`]),
    ...(qos === undefined ? [] : [`--qos=${qos}`]),
    ...(cpus === undefined ? [] : [`--cpus-per-task=${cpus}`]),
    ...(memoryMb === undefined ? [] : [`--mem=${memoryMb}M`]),
    ...(gpus === undefined || gpus === 0 ? [] : [`--gpus=${gpus}`]),
  ];
}

/** `days-hours:minutes:seconds` of sbatch(1). */
function slurmTime(timeS: number): string {
  const [days, hours, minutes] = [
    Math.floor(timeS / 86_400),
    Math.floor(timeS / 3600) % 24,
    Math.floor(timeS / 60) % 60,
  ];
  return `${days}-${[hours, minutes, timeS % 60].map((part) => String(part).padStart(2, "0")).join(":")}`;
}
