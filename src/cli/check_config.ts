import type { Config } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import { configJsonSchemaText } from "../config/json_schema.ts";
import type { ProbeFinding } from "../ports/probe.ts";
import { type CommandIo, EXIT } from "./io.ts";
import { readConfigFile } from "./read_config.ts";

export interface CheckConfigOptions {
  /** File to check; undefined means the one that `serve` would use. */
  readonly config: string | undefined;
  /** Print the JSON Schema for editors instead. */
  readonly schema: boolean;
  readonly environment: Environment;
  /** Tries what a configuration needs outside of itself, one thing after the other. Undefined: that is not wanted. */
  readonly probe: ((config: Config) => AsyncIterable<ConfigProbe>) | undefined;
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
export async function runCheckConfig(options: CheckConfigOptions, io: CommandIo): Promise<number> {
  if (options.schema) {
    io.stdout(configJsonSchemaText());
    return EXIT.ok;
  }
  // Whoever checks a file need not be allowed to read the secrets of the daemon.
  const read = await readConfigFile({ ...options, deniedSecrets: "warn", missingJobRoot: "accept" }, io);
  if (read === undefined) return EXIT.fault;
  io.stdout(`${read.file}: OK\n${summary(read.config)}`);
  if (options.probe === undefined) return EXIT.ok;
  let isOk = true;
  for await (const { subject, findings } of options.probe(read.config)) {
    for (const finding of findings) {
      io.stdout(`${subject}: ${finding.isOk ? "ok  " : "FAIL"} ${finding.text}\n`);
      isOk &&= finding.isOk;
    }
  }
  return isOk ? EXIT.ok : EXIT.fault;
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
