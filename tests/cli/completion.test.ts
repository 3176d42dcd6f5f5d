import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SHELLS, type Shell } from "../../src/cli/completion.ts";
import { socketOf } from "../support/console_process.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";

setDefaultTimeout(180_000);

const MAIN = resolve(import.meta.dir, "../../src/main.ts");
const CONFIG = `job_root_dir: jobs
applications: {wc: {command_template: wc input.txt}}
destinations:
  here: {scheduler: {type: memory}, filesystem: {type: local}}
  there: {scheduler: {type: memory}, filesystem: {type: local}}
`;

/** How to ask a shell what it offers for the last of `$words`, one word a line; `$script` has the completions. */
const QUESTIONS: Readonly<Record<Shell, readonly [program: string, ...args: readonly string[]]>> = {
  bash: [
    "bash",
    "-c",
    `. "$script"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bartender; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ],
  // What really is asked for with Tab, but for the list on the screen.
  zsh: [
    "zsh",
    "-fc",
    `compdef() { :; }; compadd() { print -l -- "\${(@)argv[2,-1]}"; }; _files() { print FILES; }
     . "$script"; words=("$@"); CURRENT=$#; _bartender`,
  ],
  fish: ["fish", "--no-config", "-c", 'source "$script"; complete --do-complete "$argv"'],
};

let daemon: DaemonProcess;
beforeAll(async () => {
  daemon = await startDaemon({ config: CONFIG });
  await daemon.until(await daemon.submitOk("wc", { "input.txt": "" }), "ok");
  mkdirSync(join(daemon.directory, "bin"));
  writeFileSync(
    join(daemon.directory, "bin/bartender"),
    `#!/bin/sh\nexec ${process.execPath} --no-env-file ${MAIN} "$@"\n`,
  );
  chmodSync(join(daemon.directory, "bin/bartender"), 0o755);
  const bartender = join(daemon.directory, "bin/bartender");
  for (const shell of SHELLS) {
    writeFileSync(join(daemon.directory, shell), execFileSync(bartender, ["completion", shell]));
  }
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** What the shell offers for the last word of a command line. */
function offered(shell: Shell, ...words: readonly string[]): readonly string[] {
  const [program, ...args] = QUESTIONS[shell];
  const line = ["bartender", ...words];
  const env = {
    ...{ PATH: `${daemon.directory}/bin:${process.env.PATH}`, HOME: daemon.directory, LC_ALL: "C.UTF-8" },
    ...{ script: join(daemon.directory, shell), BARTENDER_CONSOLE_SOCKET: socketOf(daemon) },
  };
  const given = shell === "fish" ? [line.join(" ")] : [shell, ...line];
  const output = execFileSync(program, [...args, ...given], { encoding: "utf8", env, cwd: daemon.directory });
  const last = words.at(-1) ?? "";
  return (
    output
      .split("\n")
      // What fish adds is what a word is for.
      .map((line) => line.replace(/\t.*/, ""))
      .filter((word) => word !== "" && word.startsWith(last))
      .toSorted()
  );
}

describe.each([...SHELLS])("%s completes", (shell) => {
  test("commands, sub commands and options where they belong", () => {
    expect(offered(shell, "")).toEqual(expect.arrayContaining(["serve", "console", "submit"]));
    expect(offered(shell, "ser")).toEqual(["serve"]);
    expect(offered(shell, "console", "dr")).toEqual(["drain"]);
    expect(offered(shell, "console", "why", "1", "--j")).toEqual(["--json"]);
    expect(offered(shell, "serve", "--st")).toEqual(["--standby"]);
  });

  test("the words that an argument or an option can have", () => {
    expect(offered(shell, "completion", "f")).toEqual(["fish"]);
    expect(offered(shell, "console", "jobs", "--sort", "")).toEqual([
      ...["application", "destination", "newest", "oldest", "state", "submitter"],
    ]);
    expect(offered(shell, "console", "jobs", "--state", "r")).toEqual(["running"]);
  });

  test("names of destinations and numbers of jobs of a running daemon", () => {
    expect(offered(shell, "console", "drain", "t")).toEqual(["there"]);
    expect(offered(shell, "console", "queue", "--destination", "h")).toEqual(["here"]);
    expect(offered(shell, "console", "why", "1")).toEqual(["1"]);
  });
});
