import Type from "typebox";
import { parseMemoryMb } from "../core/job_resources.ts";
import { DURATIONS, duration } from "./duration_schema.ts";
import { sshConfig } from "./ssh_schema.ts";
import { oneLine } from "./text_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

/** Several jobs of one submission, none at all, or one whose files or whose cluster are elsewhere. */
const UNFIT_OPTION = /^\s*(--array|-a|--wait|-W|--test-only|--chdir|-D|--wrap|--clusters|-M)(?=[\s=\d]|$)/;

function memory(description: string) {
  return Type.Refine(
    Type.String({ description, minLength: 1 }),
    (value) => parseMemoryMb(value) !== undefined,
    () => "should be an amount of memory such as 4G or 500M",
  );
}

/** `type: slurm`. */
export const slurmScheduler = Type.Object(
  {
    type: Type.Literal("slurm"),
    ssh_config: Type.Optional(sshConfig),
    partition: Type.Optional(oneLine("--partition of sbatch.")),
    time: Type.Optional(oneLine("--time of sbatch.")),
    extra_options: Type.Array(
      Type.Refine(
        oneLine("One #SBATCH line."),
        (option) => !UNFIT_OPTION.test(option),
        (option) => `${option.split(/[\s=]/)[0]} would keep Bartender from following the job`,
      ),
      { description: "Further options for sbatch, one #SBATCH line each.", default: [] },
    ),
    submitter_as_account: Type.Boolean({
      description: "Pass the submitter as --account, in the place of account.",
      default: false,
    }),
    account: Type.Optional(oneLine("--account of sbatch.")),
    qos: Type.Optional(oneLine("--qos of sbatch.")),
    cpus: Type.Optional(Type.Integer({ description: "CPUs of a job that does not say.", minimum: 1 })),
    memory: Type.Optional(memory("Memory of a job that does not say, e.g. 4G.")),
    gpus: Type.Optional(Type.Integer({ description: "GPUs of a job that does not say.", minimum: 0 })),
    max_cpus: Type.Optional(
      Type.Integer({ description: "The most CPUs that a job gets; default is cpus.", minimum: 1 }),
    ),
    max_memory: Type.Optional(memory("The most memory that a job gets; default is memory.")),
    max_gpus: Type.Optional(
      Type.Integer({ description: "The most GPUs that a job gets; default is gpus.", minimum: 0 }),
    ),
    max_time: Type.Optional(duration(`The longest time that a job may ask for: ${DURATIONS}.`)),
    max_jobs: Type.Integer({
      description: "Jobs that are with Slurm at the same time; the others wait here, fair between submitters.",
      minimum: 1,
      default: 10_000,
    }),
  },
  {
    description: "Submits to Slurm; commands run locally, or over SSH with ssh_config.",
    additionalProperties: false,
  },
);
