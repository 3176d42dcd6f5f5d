import type { Config } from "../config/config.ts";
import { type Environment, resolveConfigFile } from "../config/environment.ts";
import { formatFinding } from "../config/finding.ts";
import { configJsonSchemaText } from "../config/json_schema.ts";
import { loadConfig } from "../config/load.ts";
import type { ProbeFinding } from "../ports/probe.ts";

export interface CheckConfigOptions {
  /** File to check; undefined means the one that `serve` would use. */
  readonly config: string | undefined;
  /** Print the JSON Schema for editors instead. */
  readonly schema: boolean;
  /** Try every destination and sandbox as well. */
  readonly probe: boolean;
}

export interface CheckConfigInput {
  readonly environment: Environment;
  /** Absolute. */
  readonly workingDirectory: string;
  readonly credentialsDirectory: string | undefined;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Tries what a configuration needs outside of itself, one thing after the other. */
  readonly probe: (config: Config) => AsyncIterable<ConfigProbe>;
}

/** What was seen at a destination, or of an interactive application. */
export interface ConfigProbe {
  /** What the findings are about, as people call it. */
  readonly subject: string;
  readonly findings: readonly ProbeFinding[];
}

/**
 * Checks a configuration file without leaving traces: a summary on stdout, warnings and faults on stderr, one line
 * each with file, line, column and key.
 *
 * @returns the exit status: 0 when the file can be used, and its destinations when they are tried, else 1
 */
export async function runCheckConfig(options: CheckConfigOptions, input: CheckConfigInput): Promise<number> {
  const { environment, workingDirectory, credentialsDirectory, stdout, stderr } = input;
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
  // Whoever checks a file need not be allowed to read the secrets of the daemon.
  const deniedSecrets = "warn";
  const result = await loadConfig({
    ...{ file, workingDirectory, credentialsDirectory, deniedSecrets, missingJobRoot: "accept" },
  });
  for (const finding of result.warnings) {
    stderr.write(`${formatFinding(file, finding, "warning")}\n`);
  }
  if (!result.isValid) {
    for (const finding of result.faults) {
      stderr.write(`${formatFinding(file, finding)}\n`);
    }
    return 1;
  }
  stdout.write(`${file}: OK\n${summary(result.config)}`);
  if (!options.probe) return 0;
  let isOk = true;
  for await (const { subject, findings } of input.probe(result.config)) {
    for (const finding of findings) {
      stdout.write(`${subject}: ${finding.isOk ? "ok  " : "FAIL"} ${finding.text}\n`);
      isOk &&= finding.isOk;
    }
  }
  return isOk ? 0 : 1;
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
