import type { Application, InteractiveApplication } from "../core/application.ts";
import type { BuiltInPicker } from "../core/destination_picker.ts";

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
}

/** What clients may ask of the daemon at most. */
export interface Limits extends UploadLimits {
  /** No interactive application is started while the 1-minute load per usable CPU is above. */
  readonly interactiveMaxLoad: number;
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
}

export interface EagerSchedulerConfig {
  readonly type: "eager";
  /** Limit for the 1-minute load divided by the usable CPUs. */
  readonly maxLoad: number;
  /** How long to wait for the load to fall. */
  readonly maxWaitS: number;
  /** When to end a job. */
  readonly timeoutS: number;
}

export interface SlurmSchedulerConfig {
  readonly type: "slurm";
  /** Undefined: commands run locally. */
  readonly ssh: SshConfig | undefined;
  readonly partition: string | undefined;
  readonly time: string | undefined;
  readonly extraOptions: readonly string[];
  readonly isSubmitterAccount: boolean;
}

/** In the file its type is `arq`, as ever, or `redis`. */
export interface RedisSchedulerConfig {
  readonly type: "arq";
  /** May hold a password. */
  readonly redisDsn: string;
  readonly queue: string;
  /** Per worker. */
  readonly maxJobs: number;
  readonly jobTimeoutS: number;
}

export interface DiracSchedulerConfig {
  readonly type: "dirac";
  readonly storageElement: string;
  readonly apptainerImage: string | undefined;
  readonly proxy: ProxyConfig;
}

export type FileSystemConfig =
  | { readonly type: "local" }
  | {
      readonly type: "sftp";
      readonly ssh: SshConfig;
      /** Remote directory in the place of the job root. */
      readonly entry: string;
    }
  | {
      readonly type: "dirac";
      readonly lfnRoot: string;
      readonly storageElement: string;
      readonly proxy: ProxyConfig;
    };

export interface SshConfig {
  readonly hostname: string;
  readonly port: number;
  /** Undefined: the login of the service's user. */
  readonly username: string | undefined;
  /** Undefined: key files and the SSH agent are used. */
  readonly password: string | undefined;
  /** Absolute path. */
  readonly privateKeyFile: string | undefined;
  readonly passphrase: string | undefined;
  /** Absolute path. */
  readonly knownHostsFile: string;
  /** False: host keys are not compared with known ones. */
  readonly isHostKeyChecked: boolean;
}

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
}
