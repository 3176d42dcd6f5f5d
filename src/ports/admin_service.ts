import type { DestinationMode } from "../core/destination_mode.ts";
import type { JobId } from "../core/ids.ts";
import type { Job, Phase, PublicState } from "../core/job.ts";
import type { HoldingPerformer } from "../core/job_explanation.ts";
import type { AdminJobFilter, AuditEntry } from "./admin_store.ts";
import type { HistoryEntry } from "./job_store.ts";
import type { PerformerPresence } from "./scheduler.ts";

/** How the daemon is. All times are milliseconds since 1970. */
export interface DaemonStatus {
  readonly version: string;
  /** `Bun 1.4.5` or the like. */
  readonly runtime: string;
  readonly pid: number;
  readonly startedOnMs: number;
  readonly nowOnMs: number;
  /** Average number of processes that want to run, over one minute. */
  readonly load: number;
  readonly cpus: number;
  /** Memory of the daemon itself. */
  readonly memoryBytes: number;
  readonly database: DatabaseStatus;
  readonly destinations: readonly DestinationStatus[];
  /** Unfinished jobs that no destination was chosen for yet. */
  readonly unplaced: number;
  readonly actors: number;
  /** How often actors were started again since the daemon started. */
  readonly restarts: number;
  /** The crash of an actor that happened last. */
  readonly lastCrash: Incident | null;
}

export interface DatabaseStatus {
  /** Without password. */
  readonly name: string;
  /** How long it took to answer; null when it did not. */
  readonly latencyMs: number | null;
  readonly fault: string | null;
}

/** Something that went wrong, and when. */
export interface Incident {
  readonly message: string;
  readonly onMs: number;
}

/** A destination, and what its actors say; null where one did not answer in time. */
export interface DestinationStatus {
  readonly name: string;
  readonly mode: DestinationMode;
  /** Who set the mode, and when; null when nobody ever did. */
  readonly modeBy: string | null;
  readonly modeOnMs: number | null;
  readonly scheduler: PartStatus | null;
  readonly fileSystem: PartStatus | null;
  /** Null where none is needed, too. */
  readonly credential: CredentialStatus | null;
  readonly slots: SlotStatus | null;
  readonly copies: CopyStatus | null;
  readonly poll: PollStatus | null;
  readonly phases: readonly { readonly phase: Phase; readonly count: number }[];
}

export interface SlotStatus {
  /** Null: no limit. */
  readonly capacity: number | null;
  readonly held: number;
  readonly waiting: number;
}

export interface CopyStatus {
  readonly running: number;
  readonly waiting: number;
}

export interface PollStatus {
  /** How many jobs the scheduler is asked about. */
  readonly jobs: number;
  readonly nextOnMs: number;
}

export interface PartStatus {
  readonly isHealthy: boolean;
  /** Since when it is degraded, and when it is tried again; null while it is healthy. */
  readonly sinceOnMs: number | null;
  readonly nextTryOnMs: number | null;
  /** Why it is degraded, or was the last time. */
  readonly lastFault: Incident | null;
  /** How many jobs wait for the next try. */
  readonly waiting: number;
}

/** What the destination cannot be used without, such as a proxy; of several the worst. */
export interface CredentialStatus extends PartStatus {
  readonly name: string;
  /** Null when it cannot be used. */
  readonly endsOnMs: number | null;
  /** Why it could not be renewed when it was time to; null when all is well. */
  readonly trouble: string | null;
}

/** A job as administrators see it. */
export interface AdminJob {
  readonly id: JobId;
  readonly name: string;
  readonly application: string;
  readonly submitter: string;
  readonly destination: string | null;
  readonly state: PublicState;
  readonly phase: Phase;
  readonly attempt: number;
  readonly reason: string | null;
  readonly queuePosition: number | null;
  readonly schedulerJobId: string | null;
  readonly returnCode: number | null;
  /** Machine that had the job when it ended, where the scheduler tells. */
  readonly host: string | null;
  readonly isHeld: boolean;
  readonly priority: number;
  readonly createdOnMs: number;
  readonly updatedOnMs: number;
  readonly submittedOnMs: number | null;
  readonly startedOnMs: number | null;
  readonly finishedOnMs: number | null;
}

export interface AdminJobDetail extends AdminJob {
  /** The failed job in whose place it was submitted again. */
  readonly retryOf: JobId | null;
  readonly history: readonly HistoryEntry[];
  /** What the scheduler knows the newest attempt by; null before the first. */
  readonly tag: string | null;
  /** On this machine. */
  readonly directory: string;
  /** At the destination; null when that sees the same directory, or has none of this job. */
  readonly remoteDirectory: string | null;
  /** The performer that has it now. */
  readonly performer: HoldingPerformer | null;
  /** Null when it has none, as after its end. */
  readonly actor: ActorView | null;
}

export interface ActorView {
  readonly path: string;
  readonly state: string;
  readonly mailboxDepth: number;
  readonly restarts: number;
  readonly lastFault: Incident | null;
}

/** Part of the supervision tree. */
export interface TreeView extends ActorView {
  readonly id: string;
  readonly kind: "actor" | "supervisor";
  readonly children: readonly TreeView[];
}

export const JOB_SORTS = ["newest", "oldest", "state", "destination", "application", "submitter"] as const;
export type JobSort = (typeof JOB_SORTS)[number];

export interface AdminJobQuery {
  readonly filter: AdminJobFilter;
  /** Other orders than by age are those of the jobs that are listed. */
  readonly sort: JobSort;
  readonly limit: number;
}

export const JOB_ACTIONS = ["cancel", "delete", "retry"] as const;
export type JobActionName = (typeof JOB_ACTIONS)[number];

/** What to do with which jobs. */
export interface JobAction {
  readonly action: JobActionName;
  readonly jobs:
    | { readonly type: "ids"; readonly ids: readonly JobId[] }
    | { readonly type: "filter"; readonly filter: AdminJobFilter };
  /** Only tells what would be done. */
  readonly isDryRun: boolean;
}

/** What became of one job; `outcome` is a sentence. */
export interface JobActionResult {
  readonly id: JobId;
  readonly result: "done" | "not_found" | "refused";
  readonly outcome: string;
}

/** A performer of a destination. */
export interface Performer extends Omit<PerformerPresence, "tags" | "sinceMs"> {
  readonly destination: string;
  /** By its own clock. */
  readonly sinceOnMs: number;
  /** The jobs of this daemon that it has; others may share its queue. */
  readonly jobs: readonly JobId[];
}

/** All performers that are known, and of which destinations it is not known which there are. */
export interface Performers {
  readonly performers: readonly Performer[];
  readonly unknown: readonly UnknownPerformers[];
}

export interface UnknownPerformers {
  readonly destination: string;
  readonly reason: string;
  /** Since when that is so; null when nobody has noticed yet. */
  readonly sinceOnMs: number | null;
}

/** Something that happened in the daemon; `text` is for people. */
export interface AdminEvent {
  readonly onMs: number;
  readonly type: "job" | "actor" | "destination" | "admin";
  readonly subject: string;
  readonly text: string;
}

/** Why a job is where it is and what can be done, in one paragraph. */
export interface Explanation {
  readonly id: JobId;
  readonly text: string;
}

/** What a reload changed, or why it was refused. */
export interface ReloadReport {
  readonly isDone: boolean;
  /** For people; may be empty when nothing was different. */
  readonly lines: readonly string[];
}

/**
 * What administrators may ask of the daemon, about all jobs of everybody. No answer waits for a destination: what is
 * not known within a moment is left out.
 *
 * Every method throws {@link StoreUnavailableError} when it needs the database and that cannot be reached; `status`
 * tells it instead. Whatever changes something is recorded, with `by`, before it is answered.
 */
export interface AdminService {
  status(): Promise<DaemonStatus>;
  jobs(query: AdminJobQuery): Promise<readonly AdminJob[]>;
  /** Undefined when there is no such job. */
  job(id: JobId): Promise<AdminJobDetail | undefined>;
  /** The job as it is saved, also of jobs that are being deleted. */
  find(id: JobId): Promise<Job | undefined>;
  why(id: JobId): Promise<Explanation | undefined>;
  tree(): TreeView;
  performers(): Promise<Performers>;
  /** The newest first. */
  audit(limit: number): Promise<readonly AuditEntry[]>;
  /** What happened last, oldest first. */
  recentEvents(): readonly AdminEvent[];
  /** @returns a function that ends it */
  onEvent(listener: (event: AdminEvent) => void): () => void;
  /** Does it one by one; a job that is refused does not keep the others from it. */
  act(action: JobAction, by: string): Promise<readonly JobActionResult[]>;
  /** Keeps a waiting job from being started, or lets it go. @returns undefined when there is no such job */
  hold(id: JobId, isHeld: boolean, by: string): Promise<JobActionResult>;
  /** @param priority from -100 to 100 */
  prioritise(id: JobId, priority: number, by: string): Promise<JobActionResult>;
  /** @returns false when no such destination is configured */
  setMode(destination: string, mode: DestinationMode, by: string): Promise<boolean>;
  /** The present level, and those there are. Absent where the log cannot be changed. */
  readonly logLevel?: {
    get(): string;
    readonly levels: readonly string[];
    set(level: string, by: string): Promise<void>;
  };
  /** Reads the configuration again. Absent where that cannot be done. */
  reload?(by: string): Promise<ReloadReport>;
}
