import type { Application, InteractiveApplication } from "../core/application.ts";
import type { BackoffPolicy } from "../core/backoff.ts";
import type { BuiltInPicker } from "../core/destination_picker.ts";
import type { JobResources } from "../core/job_resources.ts";
import type { JobRules } from "../core/job_rules.ts";
import type { RetentionRules } from "../core/retention.ts";
import type { Sandbox } from "../core/sandbox.ts";

/** config.yaml after checking, with all defaults; maps keep the order of the file. */
export interface Config {
  /** Absolute path of the file. */
  readonly file: string;
  readonly applications: ReadonlyMap<string, Application>;
  readonly interactiveApplications: ReadonlyMap<string, InteractiveApplication>;
  /** At least one. */
  readonly destinations: ReadonlyMap<string, DestinationConfig>;
  readonly destinationPicker: DestinationPickerConfig;
  /** Absolute, with links resolved as far as it exists. */
  readonly jobRootDir: string;
  readonly limits: Limits;
  readonly retention: RetentionRules;
  readonly tokens: TokenRules;
  /** Names of environment variables that commands get beside the built-in ones. */
  readonly commandEnvironment: readonly string[];
}

/** What uploads may hold at most. */
export interface UploadLimits {
  readonly maxUploadBytes: number;
  /** Of all unpacked files together. */
  readonly maxExpandedBytes: number;
  /** Files and directories. */
  readonly maxEntries: number;
  /** Expanded size divided by compressed size; to be judged only when much was expanded. */
  readonly maxRatio: number;
  /** Two names must differ in more than case and Unicode form. */
  readonly wantsDistinctNames: boolean;
}

/** What one submitter may ask for; what is undefined is not limited. */
export interface UsageLimits {
  /** As many may also come at once. */
  readonly submissionsPerMinute: number | undefined;
  /** Of every kind, submissions included. As many may also come at once. */
  readonly requestsPerMinute: number | undefined;
  /** Jobs that have not come to their end. */
  readonly maxUnfinishedJobs: number | undefined;
  /** Jobs of every state. */
  readonly maxStoredJobs: number | undefined;
  /** What the file system of the jobs must have left after a submission, for what runs already; 0: nothing. */
  readonly minFreeBytes: number;
}

/** What clients may ask of the daemon at most. */
export interface Limits extends UploadLimits, UsageLimits {
  /** No interactive application is started while the 1-minute load per usable CPU is above. */
  readonly interactiveMaxLoad: number;
  /** Event streams and followed logs that may be open at a time. */
  readonly maxStreams: number;
  /** The same for one user. */
  readonly maxStreamsPerUser: number;
}

/** Which tokens are accepted. */
export interface TokenRules {
  /** Accepted values of `iss`; undefined means any. */
  readonly issuers: readonly string[] | undefined;
  readonly allowCookie: boolean;
  readonly allowQuery: boolean;
}

/** The setting `destination_picker`; `text` is its spelling in the file. */
export type DestinationPickerConfig =
  | { readonly kind: "builtin"; readonly name: BuiltInPicker; readonly text: string }
  | {
      readonly kind: "module";
      /** Absolute path of an existing file. */
      readonly path: string;
      readonly exportName: string;
      readonly text: string;
    };

/** An entry of `destinations`. */
export interface DestinationConfig {
  readonly scheduler: SchedulerConfig;
  readonly fileSystem: FileSystemConfig;
  readonly rules: JobRules;
  /** How the waits between tries grow. */
  readonly backoff: BackoffPolicy;
  /** How often a scheduler is asked that cannot push: while something changes, and when all is quiet. */
  readonly poll: { readonly shortestMs: number; readonly longestMs: number };
}

export type SchedulerConfig =
  | MemorySchedulerConfig
  | EagerSchedulerConfig
  | SlurmSchedulerConfig
  | RedisSchedulerConfig
  | DiracSchedulerConfig;

export interface MemorySchedulerConfig {
  readonly type: "memory";
  /** Jobs that run at the same time. */
  readonly slots: number;
  /** `{directory}` stands for the directory of the job. */
  readonly sandbox?: Sandbox;
}

export interface EagerSchedulerConfig {
  readonly type: "eager";
  /** Limit for the 1-minute load divided by the usable CPUs. */
  readonly maxLoad: number;
  /** How long to wait for the load to fall. */
  readonly maxWaitS: number;
  /** When to end a job. */
  readonly timeoutS: number;
  readonly sandbox?: Sandbox;
}

export interface SlurmSchedulerConfig {
  readonly type: "slurm";
  /** Undefined: commands run locally. */
  readonly ssh: SshConfig | undefined;
  readonly partition: string | undefined;
  readonly time: string | undefined;
  readonly extraOptions: readonly string[];
  readonly isSubmitterAccount: boolean;
  readonly account: string | undefined;
  readonly qos: string | undefined;
  /** For jobs that do not say what they need; the time stands in `time`. */
  readonly resources: JobResources;
  /** The most that a job gets. */
  readonly limits: JobResources;
  /** How many jobs may be with Slurm at a time. */
  readonly maxJobs: number;
}

/** In the file its type is `arq`, as ever, or `redis`. */
export interface RedisSchedulerConfig {
  readonly type: "arq";
  /** May hold a password. */
  readonly redisDsn: string;
  readonly queue: string;
  /** Per performer. */
  readonly maxJobs: number;
  readonly jobTimeoutS: number;
  /** A performer that is silent for so long is lost, with its jobs. */
  readonly heartbeatTimeoutS: number;
  /** How long a performer that is stopped waits for its jobs; undefined: until they end. */
  readonly drainTimeoutS: number | undefined;
  readonly tls: RedisTlsConfig;
  /** On the machines of the performers. */
  readonly sandbox?: Sandbox;
}

/** Certificates for `rediss://`; all paths are absolute. */
export interface RedisTlsConfig {
  /** Undefined: the authorities that the system trusts. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** Undefined: the host of the address. */
  readonly serverName: string | undefined;
}

export interface DiracSchedulerConfig {
  readonly type: "dirac";
  /** The machine with DIRAC's commands; undefined: this one. */
  readonly ssh: SshConfig | undefined;
  /** Where the output of jobs goes. */
  readonly storageElement: string;
  readonly apptainerImage: string | undefined;
  /** CPU time that a job may use, in seconds; undefined: DIRAC's own default. */
  readonly cpuTimeS: number | undefined;
  readonly platform: string | undefined;
  /** Where jobs may run; empty: everywhere. */
  readonly sites: readonly string[];
  readonly bannedSites: readonly string[];
  readonly tags: readonly string[];
  /** Of one job; undefined: one. */
  readonly processors: number | undefined;
  /** How many jobs may be with DIRAC at a time. */
  readonly maxJobs: number;
  readonly proxy: ProxyConfig;
}

export type FileSystemConfig =
  | { readonly type: "local" }
  | {
      readonly type: "sftp";
      readonly ssh: SshConfig;
      /** Remote directory in the place of the job root. */
      readonly entry: string;
      /** Remote copies are left where they are. */
      readonly isRemoteKept: boolean;
      /** Files are compared by their SHA-256, too. */
      readonly isChecksummed: boolean;
    }
  | DiracFileSystemConfig;

export interface DiracFileSystemConfig {
  readonly type: "dirac";
  /** The machine with DIRAC's commands; undefined: this one. */
  readonly ssh: SshConfig | undefined;
  readonly lfnRoot: string;
  readonly storageElement: string;
  readonly proxy: ProxyConfig;
}

export interface SshConfig {
  readonly hostname: string;
  /** Undefined: 22. */
  readonly port: number | undefined;
  /** Undefined: the login of the service's user; of a host in between: as for the host behind it. */
  readonly username: string | undefined;
  /** Undefined: key files and the SSH agent are used. */
  readonly password: string | undefined;
  /** Absolute path. */
  readonly privateKeyFile: string | undefined;
  readonly passphrase: string | undefined;
  /** Absolute path. Undefined: those of OpenSSH. */
  readonly knownHostsFile: string | undefined;
  /** False: host keys are not compared with known ones. */
  readonly isHostKeyChecked: boolean;
  /** The host through which this one is reached; `none`: no other one, whatever a client file says; undefined: directly. */
  readonly proxyJump: SshConfig | "none" | undefined;
  /** What only a client file of OpenSSH can say; undefined: nothing. */
  readonly client?: SshClientConfig;
}

/** What `ssh_config(5)` says about a host that our own configuration has no keys for. Paths are absolute. */
export interface SshClientConfig {
  /** Key files to try; undefined: the default ones. */
  readonly identityFiles?: readonly string[];
  /** True: of the keys of the agent only those that are in key files, too. */
  readonly isIdentitiesOnly?: true;
  /** Socket of the agent; null: no agent; undefined: `SSH_AUTH_SOCK`. */
  readonly agentSocket?: string | null;
  /** Undefined: the default ones. */
  readonly knownHostsFiles?: readonly string[];
  /** The name under which the keys of the host are on record. */
  readonly hostKeyAlias?: string;
}

/** What `proxy_jump` says. */
export interface JumpConfig {
  readonly username: string | undefined;
  readonly hostname: string;
  readonly port: number | undefined;
}

/** Paths are absolute, on the machine with DIRAC's commands. */
export interface ProxyConfig {
  /** `HH:MM`; undefined means DIRAC's own default of 24 hours. */
  readonly valid: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly group: string | undefined;
  readonly password: string | undefined;
  /** Renew when no more than this is left. */
  readonly minLifeS: number;
  readonly logLevel: string;
  /** Where the proxy is kept; undefined: among the files of Bartender. */
  readonly file: string | undefined;
}
