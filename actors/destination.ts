import type { BackoffPolicy } from "../src/core/backoff.ts";
import type { DestinationPart } from "../src/core/destination_health.ts";
import type { JobRules } from "../src/core/job_rules.ts";
import type { Credential } from "../src/ports/credential.ts";
import type { FileSystem } from "../src/ports/file_system.ts";
import type { Scheduler } from "../src/ports/scheduler.ts";
import type { PollIntervals } from "./status_poller.ts";

/** What each part of a destination cannot be used without. */
export type NeededCredentials = Readonly<Record<DestinationPart, readonly Credential[]>>;

/** A destination of the configuration with its adapters. */
export interface Destination {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly fileSystem: FileSystem;
  /** Without which they cannot be used. */
  readonly credentials: NeededCredentials;
  readonly rules: JobRules;
  /** How the waits between tries grow. */
  readonly backoff: BackoffPolicy;
  /** How often a scheduler is asked that cannot push. */
  readonly poll: PollIntervals;
}
