import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CommandResult } from "./command.ts";

/** What a command of a real DIRAC once printed. */
export interface Recording extends CommandResult {
  readonly version: string;
  readonly command: readonly string[];
  readonly remark: string | undefined;
}

/** Where the tests of parsers find what DIRAC prints. */
export const RECORDINGS = resolve(import.meta.dir, "../../adapters/dirac/recordings");
const STDERR = "\n--- stderr\n";

/** The file of a recording: what and how in lines, then standard output and standard error as they were. */
export function recordingText({ version, command, remark, exitCode, stdout, stderr }: Recording): string {
  const lines = [
    `Recorded from DIRAC ${version} by tests/support/dirac/record.ts`,
    ...(remark === undefined ? [] : [`remark: ${remark}`]),
    `command: ${JSON.stringify(command)}`,
    `exit: ${exitCode ?? "killed"}`,
    "--- stdout",
  ];
  return `${lines.join("\n")}\n${stdout}${STDERR}${stderr}`;
}

/** A recording of `tests/adapters/dirac/recordings`. @param name without `.txt` */
export function readRecording(name: string): Recording {
  const text = readFileSync(join(RECORDINGS, `${name}.txt`), "utf8");
  const begin = text.indexOf("--- stdout\n");
  const end = text.lastIndexOf(STDERR);
  const head = text.slice(0, begin).split("\n");
  const value = (key: string) => head.find((line) => line.startsWith(`${key}: `))?.slice(key.length + 2);
  const exit = value("exit") ?? "";
  return {
    version: /DIRAC (\S+)/.exec(head[0] ?? "")?.[1] ?? "",
    command: JSON.parse(value("command") ?? "[]"),
    remark: value("remark"),
    exitCode: exit === "killed" ? null : Number(exit),
    stdout: text.slice(begin + "--- stdout\n".length, end),
    stderr: text.slice(end + STDERR.length),
  };
}
