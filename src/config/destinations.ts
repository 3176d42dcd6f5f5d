import { assertNever } from "../core/assert_never.ts";
import type { DestinationConfig, FileSystemConfig, ProxyConfig, SchedulerConfig, SshConfig } from "./config.ts";
import type { DestinationEntry, ProxyEntry, SshConfigEntry } from "./destination_schema.ts";
import { parseDuration } from "./duration.ts";
import { absolutePath } from "./paths.ts";

/** Turns an entry of `destinations`, checked before, into its configuration. */
export function destinationConfig(entry: DestinationEntry, workingDirectory: string): DestinationConfig {
  return {
    scheduler: schedulerConfig(entry.scheduler, workingDirectory),
    fileSystem: fileSystemConfig(entry.filesystem, workingDirectory),
  };
}

function schedulerConfig(entry: DestinationEntry["scheduler"], workingDirectory: string): SchedulerConfig {
  switch (entry.type) {
    case "memory":
      return { type: "memory", slots: entry.slots };
    case "eager":
      return { type: "eager", maxLoad: entry.max_load, maxWaitS: entry.max_wait, timeoutS: entry.timeout };
    case "slurm":
      return {
        type: "slurm",
        ssh: entry.ssh_config === undefined ? undefined : sshConfig(entry.ssh_config, workingDirectory),
        partition: entry.partition,
        time: entry.time,
        extraOptions: entry.extra_options,
        isSubmitterAccount: entry.submitter_as_account,
      };
    case "arq":
    case "redis":
      return {
        type: "arq",
        redisDsn: entry.redis_dsn,
        queue: entry.queue,
        maxJobs: entry.max_jobs,
        jobTimeoutS: seconds(entry.job_timeout),
      };
    case "dirac":
      return {
        type: "dirac",
        storageElement: entry.storage_element,
        apptainerImage: entry.apptainer_image,
        proxy: proxyConfig(entry.proxy, workingDirectory),
      };
    default:
      return assertNever(entry);
  }
}

function fileSystemConfig(entry: DestinationEntry["filesystem"], workingDirectory: string): FileSystemConfig {
  switch (entry.type) {
    case "local":
      return { type: "local" };
    case "sftp":
      return { type: "sftp", ssh: sshConfig(entry.ssh_config, workingDirectory), entry: entry.entry };
    case "dirac":
      return {
        type: "dirac",
        lfnRoot: entry.lfn_root,
        storageElement: entry.storage_element,
        proxy: proxyConfig(entry.proxy, workingDirectory),
      };
    default:
      return assertNever(entry);
  }
}

function seconds(value: number | string): number {
  const duration = parseDuration(value);
  if (!duration.isValid) {
    throw new TypeError(`Unchecked duration: ${duration.reason}`);
  }
  return duration.seconds;
}

function sshConfig(entry: SshConfigEntry, workingDirectory: string): SshConfig {
  return {
    hostname: entry.hostname,
    port: entry.port,
    username: entry.username,
    password: entry.password,
    privateKeyFile: optionalPath(entry.private_key, workingDirectory),
    passphrase: entry.passphrase,
    knownHostsFile: absolutePath(entry.known_hosts ?? "~/.ssh/known_hosts", workingDirectory),
    isHostKeyChecked: entry.host_key_checking,
  };
}

function proxyConfig(entry: ProxyEntry, workingDirectory: string): ProxyConfig {
  return {
    valid: entry.valid,
    certFile: optionalPath(entry.cert, workingDirectory),
    keyFile: optionalPath(entry.key, workingDirectory),
    group: entry.group,
    password: entry.password,
    minLifeS: entry.min_life,
    logLevel: entry.log_level,
  };
}

function optionalPath(path: string | undefined, workingDirectory: string): string | undefined {
  return path === undefined ? undefined : absolutePath(path, workingDirectory);
}

/** Says why a scheduler and a file system cannot work together; undefined when they can. */
export function combinationFault(
  scheduler: DestinationEntry["scheduler"]["type"],
  fileSystem: DestinationEntry["filesystem"]["type"],
): string | undefined {
  const pair = `${scheduler} jobs cannot use a ${fileSystem} file system`;
  switch (scheduler) {
    case "memory":
    case "eager":
      return fileSystem === "local" ? undefined : `${pair}: they run on this machine (use local)`;
    case "slurm":
    case "arq":
    case "redis":
      return fileSystem === "dirac" ? `${pair}: grid paths cannot be entered (use local or sftp)` : undefined;
    case "dirac":
      return fileSystem === "dirac" ? undefined : `${pair}: they read from grid storage (use dirac)`;
    default:
      return assertNever(scheduler);
  }
}
