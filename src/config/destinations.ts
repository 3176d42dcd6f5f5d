import { assertNever } from "../core/assert_never.ts";
import { DEFAULT_BACKOFF } from "../core/backoff.ts";
import { type JobResources, parseMemoryMb } from "../core/job_resources.ts";
import { MAX_RERUNS } from "../core/job_rules.ts";
import type { Sandbox } from "../core/sandbox.ts";
import type { DestinationConfig, FileSystemConfig, ProxyConfig, SchedulerConfig, SshConfig } from "./config.ts";
import type { DestinationEntry } from "./destination_schema.ts";
import type { ProxyEntry } from "./dirac_schema.ts";
import { checkedSeconds } from "./duration.ts";
import { absolutePath } from "./paths.ts";
import { jumpConfig, NO_JUMP, parseJump } from "./proxy_jump.ts";
import { plainDsn } from "./redis_dsn.ts";
import type { SshConfigEntry } from "./ssh_schema.ts";

/** How often a scheduler is asked when nothing changes. */
const LONGEST_POLL_MS = 60_000;

/** Turns an entry of `destinations`, checked before, into its configuration. */
export function destinationConfig(entry: DestinationEntry, workingDirectory: string): DestinationConfig {
  return {
    scheduler: schedulerConfig(entry.scheduler, workingDirectory),
    fileSystem: fileSystemConfig(entry.filesystem, workingDirectory),
    poll: { shortestMs: entry.poll_interval * 1000, longestMs: LONGEST_POLL_MS },
    rules: {
      maxAttempts: entry.retry.max_attempts,
      maxReruns: entry.on_interrupt === "rerun" ? MAX_RERUNS : 0,
      maxRuntimeS: entry.max_runtime === undefined ? null : checkedSeconds(entry.max_runtime),
      refusesWhenAway: entry.when_away === "refuse",
    },
    backoff: {
      ...DEFAULT_BACKOFF,
      initialMs: checkedSeconds(entry.retry.initial_delay) * 1000,
      maxMs: checkedSeconds(entry.retry.max_delay) * 1000,
    },
  };
}

function schedulerConfig(entry: DestinationEntry["scheduler"], workingDirectory: string): SchedulerConfig {
  switch (entry.type) {
    case "memory":
      return { type: "memory", slots: entry.slots, ...sandboxOf(entry) };
    case "eager":
      return {
        ...{ type: "eager", maxLoad: entry.max_load, maxWaitS: entry.max_wait, timeoutS: entry.timeout },
        ...sandboxOf(entry),
      };
    case "slurm":
      return {
        type: "slurm",
        ssh: entry.ssh_config === undefined ? undefined : sshConfig(entry.ssh_config, workingDirectory),
        partition: entry.partition,
        time: entry.time,
        extraOptions: entry.extra_options,
        isSubmitterAccount: entry.submitter_as_account,
        account: entry.account,
        qos: entry.qos,
        resources: resourcesOf(entry.cpus, entry.memory, entry.gpus, undefined),
        limits: resourcesOf(entry.max_cpus, entry.max_memory, entry.max_gpus, entry.max_time),
        maxJobs: entry.max_jobs,
      };
    case "arq":
    case "redis":
      return {
        type: "arq",
        redisDsn: plainDsn(entry.redis_dsn).dsn,
        queue: entry.queue,
        maxJobs: entry.max_jobs,
        jobTimeoutS: checkedSeconds(entry.job_timeout),
        heartbeatTimeoutS: checkedSeconds(entry.heartbeat_timeout),
        drainTimeoutS: entry.drain_timeout === undefined ? undefined : checkedSeconds(entry.drain_timeout),
        tls: {
          caFile: optionalPath(entry.tls?.ca, workingDirectory),
          certFile: optionalPath(entry.tls?.cert, workingDirectory),
          keyFile: optionalPath(entry.tls?.key, workingDirectory),
          serverName: entry.tls?.server_name,
        },
        ...sandboxOf(entry),
      };
    case "dirac":
      return {
        type: "dirac",
        ssh: entry.ssh_config === undefined ? undefined : sshConfig(entry.ssh_config, workingDirectory),
        storageElement: entry.storage_element,
        apptainerImage: entry.apptainer_image,
        cpuTimeS: entry.cpu_time === undefined ? undefined : checkedSeconds(entry.cpu_time),
        platform: entry.platform,
        sites: entry.sites,
        bannedSites: entry.banned_sites,
        tags: entry.tags,
        processors: entry.processors,
        maxJobs: entry.max_jobs,
        proxy: proxyConfig(entry, workingDirectory),
      };
    default:
      return assertNever(entry);
  }
}

function sandboxOf({ sandbox }: { readonly sandbox?: Sandbox }): { readonly sandbox?: Sandbox } {
  return sandbox === undefined ? {} : { sandbox };
}

function resourcesOf(
  cpus: number | undefined,
  memory: string | undefined,
  gpus: number | undefined,
  time: number | string | undefined,
): JobResources {
  const memoryMb = memory === undefined ? undefined : parseMemoryMb(memory);
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryMb === undefined ? {} : { memoryMb }),
    ...(gpus === undefined ? {} : { gpus }),
    ...(time === undefined ? {} : { timeS: checkedSeconds(time) }),
  };
}

function fileSystemConfig(entry: DestinationEntry["filesystem"], workingDirectory: string): FileSystemConfig {
  switch (entry.type) {
    case "local":
      return { type: "local" };
    case "sftp":
      return {
        type: "sftp",
        ssh: sshConfig(entry.ssh_config, workingDirectory),
        entry: entry.entry,
        isRemoteKept: entry.keep_remote,
        isChecksummed: entry.checksum,
      };
    case "dirac":
      return {
        type: "dirac",
        ssh: entry.ssh_config === undefined ? undefined : sshConfig(entry.ssh_config, workingDirectory),
        lfnRoot: entry.lfn_root,
        storageElement: entry.storage_element,
        proxy: proxyConfig(entry, workingDirectory),
      };
    default:
      return assertNever(entry);
  }
}

function sshConfig(entry: SshConfigEntry, workingDirectory: string): SshConfig {
  const config: SshConfig = {
    hostname: entry.hostname,
    port: entry.port,
    username: entry.username,
    password: entry.password,
    privateKeyFile: optionalPath(entry.private_key, workingDirectory),
    passphrase: entry.passphrase,
    knownHostsFile: optionalPath(entry.known_hosts, workingDirectory),
    isHostKeyChecked: entry.host_key_checking,
    proxyJump: undefined,
  };
  if (entry.proxy_jump === undefined) return config;
  if (entry.proxy_jump === NO_JUMP) return { ...config, proxyJump: "none" };
  const jump = parseJump(entry.proxy_jump);
  if (jump === undefined) throw new TypeError("Unchecked proxy_jump");
  return { ...config, proxyJump: jumpConfig(config, jump) };
}

function proxyConfig(
  { proxy, ssh_config }: { readonly proxy: ProxyEntry; readonly ssh_config?: SshConfigEntry | undefined },
  workingDirectory: string,
): ProxyConfig {
  // Those on another machine were checked to be absolute.
  const pathOf = (path: string | undefined) => (ssh_config === undefined ? optionalPath(path, workingDirectory) : path);
  return {
    valid: proxy.valid,
    certFile: pathOf(proxy.cert),
    keyFile: pathOf(proxy.key),
    group: proxy.group,
    password: proxy.password,
    minLifeS: proxy.min_life,
    logLevel: proxy.log_level,
    file: pathOf(proxy.file),
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
      return fileSystem === "dirac" ? `${pair}: grid paths cannot be entered (use local or sftp)` : undefined;
    case "arq":
    case "redis":
      return undefined;
    case "dirac":
      return fileSystem === "dirac" ? undefined : `${pair}: they read from grid storage (use dirac)`;
    default:
      return assertNever(scheduler);
  }
}
