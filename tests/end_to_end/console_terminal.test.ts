import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { builtProgram } from "../support/built_program.ts";
import { runConsole } from "../support/console_process.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";

setDefaultTimeout(180_000);

const MAIN = builtProgram(resolve(import.meta.dir, "../../src/main.ts"));
const CONFIG = `job_root_dir: jobs
applications:
  wait: {command_template: "until [ -e go ]; do sleep 0.1; done"}
destinations:
  cluster: {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}
`;

/** A command of Bartender on a terminal of its own (`script(1)`), whose keys the test types. */
interface Terminal extends AsyncDisposable {
  type(keys: string): void;
  /** All that was written to the terminal, with its control sequences. */
  seen(): string;
  ended(): Promise<number | null>;
}

function onTerminal(daemon: DaemonProcess, ...args: readonly string[]): Terminal {
  const command = [process.execPath, "--no-env-file", MAIN, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qefc", `stty rows 30 cols 120; ${command}`, "/dev/null"], {
    cwd: daemon.directory,
    env: {
      ...{ PATH: process.env.PATH ?? "", USER: "tester", TERM: "xterm", HOME: daemon.directory },
      BARTENDER_CONSOLE_SOCKET: "console.sock",
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let seen = "";
  child.stdout.on("data", (chunk) => {
    seen += String(chunk);
  });
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  return {
    type: (keys) => void child.stdin.write(keys),
    seen: () => seen,
    ended: () => ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

test("the interactive mode runs commands, completes names, asks before it acts, and keeps its history", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const id = await daemon.submitOk("wait", { "input.txt": "x\n" });
  await daemon.until(id, "running");
  await using terminal = onTerminal(daemon, "console");
  const until = (what: string, pattern: RegExp) =>
    eventually(what, () => pattern.test(stripVTControlCharacters(terminal.seen())));
  await until("the prompt", /bartender> $/);
  terminal.type("queue\r");
  await until("the queue", /1 +.*running.*[\s\S]*bartender> $/);
  terminal.type("pause cl\t");
  await until("the completed name", /pause cluster $/);
  terminal.type("\r");
  await until("the pause", /cluster: paused[\s\S]*bartender> $/);
  // Pasted, so that it comes at once: two lines, and the beginning of a third one.
  terminal.type("loglevel\rhelp loglevel\rnon");
  await until("both answers", /info \(of [\s\S]*Usage: .*loglevel[\s\S]*bartender> non$/);
  terminal.type("sense\r");
  await until("the fault", /unknown command[\s\S]*bartender> $/);
  terminal.type(`cancel ${id}\r`);
  await until("the question", /cancel job 1\? \[y\/N\] $/);
  terminal.type("n\r");
  await until("the refusal", /Nothing was done\.[\s\S]*bartender> $/);
  expect(await daemon.job(id)).toMatchObject({ state: "running" });
  terminal.type(`cancel ${id}\r`);
  await until("the second question", /cancel job 1\? \[y\/N\] [\s\S]*cancel job 1\? \[y\/N\] $/);
  terminal.type("y\r");
  expect(await daemon.until(id, "error")).toMatchObject({ reason: "Cancelled by an administrator" });
  await until("the prompt again", /is being cancelled[\s\S]*bartender> $/);
  // Arrow up brings the last line back.
  terminal.type("\u001b[A");
  await until("the last line", /bartender> cancel 1$/);
  terminal.type("\u0015exit\r");
  expect(await terminal.ended()).toBe(0);
  const history = readFileSync(join(daemon.directory, ".local/state/bartender/console_history"), "utf8");
  expect(history).toContain("queue\npause cluster \nloglevel\nhelp loglevel\nnonsense\n");
});

test("top draws over itself, pauses, and gives the terminal back", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  const id = await daemon.submitOk("wait", { "input.txt": "x\n" });
  await daemon.until(id, "running");
  await using terminal = onTerminal(daemon, "console", "top");
  const until = (what: string, condition: () => boolean) => eventually(what, condition);
  const pictures = () => terminal.seen().split("\u001b[H").length - 1;
  await until("the first pictures", () => pictures() >= 2);
  expect(terminal.seen().startsWith("\u001b[?1049h")).toBe(true);
  expect(terminal.seen()).toMatch(/cluster +.*open[\s\S]*1 +.*running[\s\S]*p pauses, q quits/);
  terminal.type("p");
  await until("the pause", () => /paused, p goes on/.test(terminal.seen()));
  writeFileSync(join(daemon.directory, "jobs", String(id), "go"), "");
  await daemon.until(id, "ok");
  const paused = pictures();
  await until("another picture, of the same", () => pictures() > paused);
  expect(terminal.seen().slice(terminal.seen().lastIndexOf("\u001b[H"))).toMatch(/1 +.*running/);
  terminal.type("p");
  await until("the end of the job", () => /No job matches/.test(terminal.seen()));
  await daemon.stop();
  await until("what is wrong", () => /No Bartender answers at/.test(terminal.seen()));
  const silent = pictures();
  await daemon.restart();
  const last = () => terminal.seen().slice(terminal.seen().lastIndexOf("\u001b[H"));
  await until("the next daemon", () => pictures() > silent && last().includes(`process ${daemon.pid}`));
  terminal.type("q");
  expect(await terminal.ended()).toBe(0);
  expect(terminal.seen().endsWith("\u001b[?1049l")).toBe(true);
});

test("top elsewhere than on a terminal is a usage error", async () => {
  await using daemon = await startDaemon({ config: CONFIG });
  expect(await runConsole(daemon, "top")).toMatchObject({
    status: 2,
    text: expect.stringContaining("expected a terminal"),
  });
});
