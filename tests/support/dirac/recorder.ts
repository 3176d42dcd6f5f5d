import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DiracServer } from "../dirac_server.ts";
import { type CommandResult, runCommand } from "./command.ts";
import { DIRAC_HOME, DIRAC_VERSION } from "./installation.ts";
import { RECORDINGS, recordingText } from "./recording.ts";

/** Runs commands in a directory of its own and keeps what they print. */
export interface Recorder {
  /** Where the commands run; absolute. */
  readonly directory: string;
  /** Writes a file there. @returns its path */
  file(name: string, content: string): string;
  /** Runs a command and writes the recording `name`. */
  record(name: string, command: readonly string[], options?: RecordOptions): Promise<CommandResult>;
}

export interface RecordOptions {
  readonly stdin?: string;
  /** Variables beside those of a client; undefined leaves one out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** After this time the command gets SIGKILL; for those that would wait for a frozen service. */
  readonly limitS?: number;
  /** What else is special, a sentence for readers. */
  readonly remark?: string;
}

export function startRecorder(server: DiracServer): Recorder {
  const directory = join(server.directory, "recorder");
  mkdirSync(directory);
  mkdirSync(RECORDINGS, { recursive: true });
  const withoutPaths = (text: string): string =>
    text.replaceAll(DIRAC_HOME, "/opt/dirac").replaceAll(server.directory, "/lab");
  return {
    directory,
    file(name, content) {
      const path = join(directory, name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, content);
      return path;
    },
    async record(name, command, { stdin = "", environment = {}, limitS = 300, remark } = {}) {
      const variables = Object.fromEntries(
        Object.entries({ ...server.environment, ...environment }).filter(([, value]) => value !== undefined),
      ) as Record<string, string>;
      const begin = performance.now();
      const limited = ["--signal=KILL", `${limitS}`, ...command];
      const result = await runCommand("timeout", limited, { environment: variables, cwd: directory, stdin });
      const tookS = (performance.now() - begin) / 1000;
      console.log(`${name}: exit ${result.exitCode} after ${tookS.toFixed(1)} s`);
      const recording = { version: DIRAC_VERSION, command, remark, ...result };
      writeFileSync(join(RECORDINGS, `${name}.txt`), withoutPaths(recordingText(recording)));
      return result;
    },
  };
}
