import type { DiracSchedulerConfig } from "../../../src/config/config.ts";
import { SchedulerRefusedError } from "../../../src/core/errors.ts";

/** What a job description says. All texts are checked to have no character that JDL gives a meaning. */
export interface DiracJdlOptions
  extends Pick<DiracSchedulerConfig, "cpuTimeS" | "platform" | "sites" | "bannedSites" | "tags" | "processors"> {
  /** At most 128 characters. */
  readonly name: string;
  /** At most 32 characters. */
  readonly group: string;
  /** The script, in the directory where the description is handed in. */
  readonly executable: string;
  /** Logical file names. */
  readonly inputData: readonly string[];
  /** Files that DIRAC keeps of an ended job, relative to its directory. */
  readonly outputSandbox: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
}

/** The modules that copy the input to the place where a job runs, instead of letting it read from afar. */
const DOWNLOAD = "DIRAC.WorkloadManagementSystem.Client";

/** A job description in JDL, as `dirac-wms-job-submit` reads it; its parser knows neither escapes nor quoted brackets. */
export function diracJdl(options: DiracJdlOptions): string {
  const { inputData, cpuTimeS, processors } = options;
  const values: readonly (readonly [string, string | number | readonly string[] | undefined])[] = [
    ["JobName", options.name],
    ["JobGroup", options.group],
    ["Executable", options.executable],
    ["InputSandbox", [options.executable]],
    ["InputData", inputData],
    ["InputDataModule", `${DOWNLOAD}.InputDataResolution`],
    ["InputDataPolicy", `${DOWNLOAD}.DownloadInputData`],
    ["OutputSandbox", options.outputSandbox],
    ["StdOutput", options.stdout],
    ["StdError", options.stderr],
    ["CPUTime", cpuTimeS === undefined ? undefined : Math.ceil(cpuTimeS)],
    ["Platform", options.platform],
    ["Site", options.sites],
    ["BannedSites", options.bannedSites],
    ["Tags", options.tags],
    ["NumberOfProcessors", processors],
  ];
  const lines = values.flatMap(([name, value]) => {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    return [`  ${name} = ${written(name, value)};`];
  });
  return `[\n${lines.join("\n")}\n]\n`;
}

function written(name: string, value: string | number | readonly string[]): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return quoted(name, value);
  return `{${value.map((text) => quoted(name, text)).join(",")}}`;
}

/**
 * JDL has no way to write a quote, and DIRAC's parser of it ends values at semicolons and brackets, splits lists at
 * commas and takes blanks out, all within quotes, too; so that nothing else is let through.
 */
function quoted(name: string, text: string): string {
  if (isJdlText(text)) return `"${text}"`;
  throw new SchedulerRefusedError(`A job description of DIRAC cannot carry the ${name} ${JSON.stringify(text)}`);
}

/** True when a text stands for itself in a job description. */
export function isJdlText(text: string): boolean {
  return /^[A-Za-z0-9_.:/+@~-]+$/.test(text);
}
