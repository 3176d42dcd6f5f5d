import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Application, InteractiveApplication } from "../core/application.ts";
import { messageOf } from "../core/errors.ts";
import { buildApplication, buildInteractiveApplication } from "./applications.ts";
import type { Config } from "./config.ts";
import { combinationFault, destinationConfig } from "./destinations.ts";
import type { Finding } from "./finding.ts";
import { type MissingJobRoot, resolveJobRoot } from "./job_root.ts";
import { absolutePath } from "./paths.ts";
import { pickerSetting } from "./picker_setting.ts";
import { checkProxies } from "./proxy_files.ts";
import { readValue } from "./read_value.ts";
import { plainDsn, tlsFault } from "./redis_dsn.ts";
import { type Report, reportOn } from "./report.ts";
import { retentionRules } from "./retention.ts";
import {
  type ApplicationEntry,
  type ConfigFile,
  configFileSchema,
  type InteractiveApplicationEntry,
} from "./schema.ts";
import type { SchemaView } from "./schema_view.ts";
import type { DeniedSecrets } from "./secret_file.ts";
import { type DestinationEntries, type NeedsSecrets, readSecrets } from "./secrets.ts";
import { checkSharedQueues } from "./shared_queues.ts";
import type { YamlNode } from "./yaml_node.ts";
import { parseYamlTree } from "./yaml_tree.ts";

export interface LoadOptions {
  /** Path of the file; relative to `workingDirectory`. */
  readonly file: string;
  /** Absolute; relative paths in the file start here. */
  readonly workingDirectory: string;
  /** What to do about a job root that does not exist. */
  readonly missingJobRoot: MissingJobRoot;
  /** Of which destinations files with secrets are read, as not all of them are on every machine. Default: of all. */
  readonly needsSecrets?: NeedsSecrets | undefined;
  /** The file of the picker, of which only who chooses destinations has need. Default: false. */
  readonly mayLackPicker?: boolean | undefined;
  /** Where the service manager has put credentials, in the place of `$CREDENTIALS_DIRECTORY`. */
  readonly credentialsDirectory?: string | undefined;
  /** Default: they are faults. */
  readonly deniedSecrets?: DeniedSecrets | undefined;
}

/** The configuration, or all that is wrong with the file. Findings are in the order of the file. */
export type LoadResult =
  | { readonly isValid: true; readonly config: Config; readonly warnings: readonly Finding[] }
  | { readonly isValid: false; readonly faults: readonly Finding[]; readonly warnings: readonly Finding[] };

/** Reads and checks config.yaml, down to templates, schemas and the existence of what it refers to. */
export async function loadConfig(options: LoadOptions): Promise<LoadResult> {
  const file = resolve(options.workingDirectory, options.file);
  const text = await readText(file, options.file);
  if (!text.isValid) {
    return invalid([{ position: undefined, path: [], message: text.reason }]);
  }
  const tree = parseYamlTree(text.value);
  if (!tree.isValid) {
    return invalid(tree.faults);
  }
  if (tree.root.kind === "scalar" && tree.root.value === null) {
    const message = "expected a map with the key applications, got an empty file";
    return invalid([{ position: { line: 1, column: 1 }, path: [], message }]);
  }
  return build(tree.root, file, options);
}

function invalid(faults: readonly Finding[], warnings: readonly Finding[] = []): LoadResult {
  return { isValid: false, faults, warnings };
}

async function readText(
  file: string,
  shown: string,
): Promise<{ readonly isValid: true; readonly value: string } | { readonly isValid: false; readonly reason: string }> {
  try {
    const bytes = await readFile(file);
    return { isValid: true, value: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof TypeError) {
      return { isValid: false, reason: "not valid UTF-8" };
    }
    if (code === "ENOENT") {
      return { isValid: false, reason: `file or directory at path ${JSON.stringify(shown)} does not exist` };
    }
    if (code === "EISDIR") {
      return { isValid: false, reason: `path ${JSON.stringify(shown)} does not point to a file` };
    }
    return { isValid: false, reason: `cannot be read: ${messageOf(error)}` };
  }
}

/** What was read, with holes where something did not fit. */
type Incomplete = Partial<
  Omit<ConfigFile, "applications" | "interactive_applications" | "destinations"> & {
    readonly applications: ReadonlyMap<string, Partial<ApplicationEntry> | undefined>;
    readonly interactive_applications: ReadonlyMap<string, Partial<InteractiveApplicationEntry> | undefined>;
    readonly destinations: DestinationEntries;
  }
>;

function build(root: YamlNode, file: string, options: LoadOptions): LoadResult {
  const { workingDirectory, credentialsDirectory, deniedSecrets = "refuse", needsSecrets = () => true } = options;
  const report = reportOn(root);
  const read = (readValue(configFileSchema as unknown as SchemaView, root, [], report) ?? {}) as Incomplete;
  const destinations = readSecrets(read.destinations ?? new Map(), {
    ...{ workingDirectory, credentialsDirectory, deniedSecrets, needsSecrets, report },
  });
  const found: Incomplete = { ...read, destinations };

  const applications = buildApplications(found, report);
  const interactiveApplications = buildInteractiveApplications(found, report);
  checkCombinations(found, report);
  checkProxies(destinations, workingDirectory, report);
  const picker =
    found.destination_picker === undefined
      ? undefined
      : pickerSetting(found.destination_picker, file, workingDirectory, options.mayLackPicker === true);
  if (picker?.isValid === false) {
    report.fault(["destination_picker"], picker.reason);
  }
  const retention =
    report.faults().length === 0 ? retentionRules(found.keep_for, found.applications ?? new Map(), report) : undefined;
  // A file that cannot be used leaves no traces.
  const isUsable = report.faults().length === 0;
  const missing = options.missingJobRoot === "create" && !isUsable ? "accept" : options.missingJobRoot;
  const jobRoot = resolveJobRoot(absolutePath(found.job_root_dir ?? join(tmpdir(), "jobs"), workingDirectory), missing);
  if (!jobRoot.isValid) {
    report.fault(["job_root_dir"], jobRoot.reason);
  }

  if (report.faults().length > 0 || picker?.isValid !== true || !jobRoot.isValid || !retention) {
    return invalid(report.faults(), report.warnings());
  }
  // Nothing was reported, so there are no holes.
  const complete = found as ConfigFile;
  const config: Config = {
    file,
    applications,
    interactiveApplications,
    destinations: new Map(
      [...complete.destinations].map(([name, entry]) => [name, destinationConfig(entry, workingDirectory)]),
    ),
    destinationPicker: picker.picker,
    jobRootDir: jobRoot.path,
    limits: {
      maxUploadBytes: complete.limits.max_upload_bytes,
      maxExpandedBytes: complete.limits.max_expanded_bytes,
      maxEntries: complete.limits.max_entries,
      maxRatio: complete.limits.max_ratio,
      wantsDistinctNames: complete.limits.distinct_names,
      interactiveMaxLoad: complete.limits.interactive_max_load,
      submissionsPerMinute: complete.limits.submissions_per_minute,
      requestsPerMinute: complete.limits.requests_per_minute,
      maxUnfinishedJobs: complete.limits.max_unfinished_jobs,
      maxStoredJobs: complete.limits.max_stored_jobs,
      minFreeBytes: complete.limits.min_free_bytes,
      maxStreams: complete.limits.max_streams,
      maxStreamsPerUser: complete.limits.max_streams_per_user,
    },
    retention,
    tokens: {
      issuers: complete.tokens.issuers,
      allowCookie: complete.tokens.allow_cookie,
      allowQuery: complete.tokens.allow_query,
    },
    commandEnvironment: complete.command_environment,
  };
  checkSharedQueues(config.destinations, report);
  return { isValid: true, config, warnings: report.warnings() };
}

function buildApplications(found: Incomplete, report: Report): ReadonlyMap<string, Application> {
  const built = new Map<string, Application>();
  for (const [name, entry] of found.applications ?? []) {
    const application = entry === undefined ? undefined : buildApplication(name, entry, report);
    if (application !== undefined) {
      built.set(name, application);
    }
  }
  return built;
}

function buildInteractiveApplications(found: Incomplete, report: Report): ReadonlyMap<string, InteractiveApplication> {
  const built = new Map<string, InteractiveApplication>();
  const names = [...(found.applications?.keys() ?? [])];
  for (const [name, entry] of found.interactive_applications ?? []) {
    const application = entry === undefined ? undefined : buildInteractiveApplication(name, entry, names, report);
    if (application !== undefined) {
      built.set(name, application);
    }
  }
  return built;
}

function checkCombinations(found: Incomplete, report: Report): void {
  for (const [name, entry] of found.destinations ?? []) {
    const { scheduler, filesystem } = entry ?? {};
    const fault =
      scheduler === undefined || filesystem === undefined
        ? undefined
        : combinationFault(scheduler.type, filesystem.type);
    if (fault !== undefined) {
      report.fault(["destinations", name, "filesystem", "type"], fault);
    }
    if (scheduler?.type !== "arq" && scheduler?.type !== "redis") continue;
    const tls = tlsFault(scheduler);
    if (tls !== undefined) report.faultAtKey(["destinations", name, "scheduler", "tls"], tls);
    for (const ignored of plainDsn(scheduler.redis_dsn).ignored) {
      report.warn(["destinations", name, "scheduler", "redis_dsn"], `the parameter ${ignored} is ignored`);
    }
  }
}
