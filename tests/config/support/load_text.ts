import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../../src/config/config.ts";
import { formatFinding } from "../../../src/config/finding.ts";
import type { MissingJobRoot } from "../../../src/config/job_root.ts";
import { type LoadResult, loadConfig } from "../../../src/config/load.ts";
import { tempDir } from "../../support/temp_dir.ts";

/** Loads `text` as config.yaml of a fresh directory, which is also the working directory. */
export async function loadText(text: string | Uint8Array): Promise<LoadResult> {
  using dir = tempDir();
  writeFileSync(join(dir.path, "config.yaml"), text);
  return await loadIn(dir.path, "accept");
}

/** Loads config.yaml of the directory. */
export function loadIn(workingDirectory: string, missingJobRoot: MissingJobRoot): Promise<LoadResult> {
  return loadConfig({ file: "config.yaml", workingDirectory, missingJobRoot });
}

/** The configuration; throws the faults when there are any. */
export async function configOf(text: string): Promise<Config> {
  const result = await loadText(text);
  if (!result.isValid) throw new Error(faultLines(result).join("\n"));
  return result.config;
}

/** The faults as they are printed. */
export async function faultsOf(text: string | Uint8Array): Promise<readonly string[]> {
  return faultLines(await loadText(text));
}

export function faultLines(result: LoadResult): readonly string[] {
  return result.isValid ? [] : result.faults.map((fault) => formatFinding("config.yaml", fault));
}

/** A configuration with the given destination, in block style with its scheduler in line 5. */
export function withDestination(scheduler: string, fileSystem = "{type: local}"): string {
  return [
    "applications:",
    "  wc: {command_template: wc README.md}",
    "destinations:",
    "  x:",
    `    scheduler: ${scheduler}`,
    `    filesystem: ${fileSystem}`,
    "",
  ].join("\n");
}
