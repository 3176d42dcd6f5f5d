import type { CommandIo } from "../../src/cli/io.ts";

/** What a command is given, and all that it has written; its working directory is called DIR there. */
export function capturedIo(cwd: string): {
  readonly io: CommandIo;
  written(): { readonly stdout: string; readonly stderr: string };
} {
  let [stdout, stderr] = ["", ""];
  const named = (text: string): string => text.replaceAll(cwd, "DIR");
  return {
    io: {
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
      cwd,
      env: {},
    },
    written: () => ({ stdout: named(stdout), stderr: named(stderr) }),
  };
}
