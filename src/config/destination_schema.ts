import Type, { type Static } from "typebox";
import { DEFAULT_RULES, MAX_RERUNS } from "../core/job_rules.ts";
import { diracFileSystem, diracScheduler } from "./dirac_schema.ts";
import { DURATIONS, duration } from "./duration_schema.ts";
import { localFileSystem, sftpFileSystem } from "./file_system_schema.ts";
import { eagerScheduler, memoryScheduler } from "./local_scheduler_schema.ts";
import { redisScheduler } from "./redis_schema.ts";
import { slurmScheduler } from "./slurm_schema.ts";

/*
 * Part of the description of config.yaml, see schema.ts for the rules.
 */

const retry = Type.Object(
  {
    max_attempts: Type.Integer({
      description: "How often a copy of files is tried before a fault that may pass ends the job.",
      minimum: 1,
      default: DEFAULT_RULES.maxAttempts,
    }),
    initial_delay: duration(`Wait after the first failure, doubled after each further one: ${DURATIONS}.`, 1),
    max_delay: duration(`The longest wait: ${DURATIONS}.`, 300),
  },
  { description: "How faults that may pass are met.", additionalProperties: false, default: {} },
);

/** Everything below the name of a destination. */
export const destinationSchema = Type.Object(
  {
    scheduler: Type.Union([memoryScheduler, eagerScheduler, slurmScheduler, redisScheduler, diracScheduler], {
      description: "What runs the commands.",
    }),
    filesystem: Type.Union([localFileSystem, sftpFileSystem, diracFileSystem], {
      description: "Where the scheduler finds the files.",
    }),
    poll_interval: Type.Number({
      description:
        "Shortest time between two questions to a scheduler that has to be asked, such as Slurm, in seconds; while " +
        "nothing changes it is asked less, down to once a minute.",
      minimum: 0.1,
      maximum: 3600,
      default: 5,
    }),
    retry,
    max_runtime: Type.Optional(
      duration(`When to end a running command; the smaller one of destination and application counts: ${DURATIONS}.`),
    ),
    on_interrupt: Type.Enum(["error", "rerun"], {
      description:
        "What becomes of a job whose command was interrupted, e.g. by a restart of the machine: it ends with an error, " +
        `or is run again, up to ${MAX_RERUNS} times.`,
      default: "error",
    }),
    when_away: Type.Enum(["queue", "refuse"], {
      description:
        "What becomes of a new job while the destination is known not to answer: it waits, or is refused with status 503.",
      default: "queue",
    }),
  },
  { description: "A place where jobs run.", additionalProperties: false },
);

/** An entry of `destinations` as read from the file, with defaults filled in. */
export type DestinationEntry = Static<typeof destinationSchema>;
