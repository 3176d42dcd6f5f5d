import { unavailableFeatures } from "../config/availability.ts";
import type { Config } from "../config/config.ts";
import { type Environment, resolveConfigFile } from "../config/environment.ts";
import { formatFinding } from "../config/finding.ts";
import { configJsonSchemaText } from "../config/json_schema.ts";
import { loadConfig } from "../config/load.ts";

export interface CheckConfigOptions {
  /** File to check; undefined means the one that `serve` would use. */
  readonly config: string | undefined;
  /** Print the JSON Schema for editors instead. */
  readonly schema: boolean;
}

export interface CheckConfigInput {
  readonly environment: Environment;
  /** Absolute. */
  readonly workingDirectory: string;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Checks a configuration file without leaving traces: a summary on stdout, warnings and faults on stderr, one line
 * each with file, line, column and key.
 *
 * @returns the exit status: 0 when the file can be used, else 1
 */
export async function runCheckConfig(options: CheckConfigOptions, input: CheckConfigInput): Promise<number> {
  const { environment, workingDirectory, stdout, stderr } = input;
  if (options.schema) {
    stdout.write(configJsonSchemaText());
    return 0;
  }
  const choice =
    options.config === undefined
      ? resolveConfigFile(environment, workingDirectory)
      : { isValid: true as const, file: options.config, warning: undefined };
  if (!choice.isValid) {
    stderr.write(`${choice.reason}\n`);
    return 1;
  }
  const { file, warning } = choice;
  if (warning !== undefined) {
    stderr.write(`warning: ${warning}\n`);
  }
  const result = await loadConfig({ file, workingDirectory, missingJobRoot: "accept" });
  for (const finding of result.warnings) {
    stderr.write(`${formatFinding(file, finding, "warning")}\n`);
  }
  if (!result.isValid) {
    for (const finding of result.faults) {
      stderr.write(`${formatFinding(file, finding)}\n`);
    }
    return 1;
  }
  for (const note of unavailableFeatures(result.config)) {
    stderr.write(`${file}: warning: ${note}\n`);
  }
  stdout.write(`${file}: OK\n${summary(result.config)}`);
  return 0;
}

function summary(config: Config): string {
  const destinations = [...config.destinations].map(
    ([name, { scheduler, fileSystem }]) => `${name} (${scheduler.type} + ${fileSystem.type})`,
  );
  const lines = [
    `${config.applications.size} applications: ${[...config.applications.keys()].join(", ")}`,
    `${config.interactiveApplications.size} interactive applications: ${[...config.interactiveApplications.keys()].join(", ")}`,
    `${config.destinations.size} destinations: ${destinations.join(", ")}`,
    `destination picker: ${config.destinationPicker.text}`,
    `job root: ${config.jobRootDir}`,
  ];
  return lines.map((line) => `  ${line.replace(/: $/, "").replace(/^1 (\w+ ?\w*)s\b/, "1 $1")}\n`).join("");
}
