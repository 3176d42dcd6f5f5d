import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import type { Clock } from "../ports/clock.ts";
import { DemoDaemon, PATIENCE_MS, pause } from "./demo_daemon.ts";
import { type CommandIo, EXIT } from "./io.ts";

export interface DemoOptions {
  /** Leave the daemon running and print how to reach it. */
  readonly keep: boolean;
  /** How to start this program: executable, then its first arguments. */
  readonly selfCommand: readonly [string, ...string[]];
  /** Reads a file of the project. */
  readonly projectFile: (name: "README.md" | "config-example.yaml") => Promise<Uint8Array>;
  readonly clock: Clock;
}

/**
 * Shows a whole job: starts a daemon of its own, submits a zip of the project's README to the application `wc`
 * over the REST API and prints the word count, with the line a user would type at each step.
 *
 * @returns the exit status
 */
export async function runDemo(options: DemoOptions, io: CommandIo): Promise<number> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "bartender-demo-")));
  const daemon = new DemoDaemon({ ...options, directory, env: io.env });
  try {
    const status = await submitWordCount(daemon, options, directory, io);
    if (!options.keep || status !== EXIT.ok) return status;
    daemon.leaveRunning();
    io.stdout(
      `\nThe daemon goes on (process ${daemon.pid}, files in ${directory}); end it with: kill ${daemon.pid}\n` +
        `URL:   ${daemon.url}\nToken: ${daemon.token}\n`,
    );
    return status;
  } catch (error) {
    io.stderr(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n${daemon.log()}`);
    return EXIT.fault;
  } finally {
    if (!daemon.isLeftRunning) {
      await daemon.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

async function submitWordCount(
  daemon: DemoDaemon,
  { projectFile, clock }: DemoOptions,
  directory: string,
  io: CommandIo,
): Promise<number> {
  const step = (title: string, ...typed: readonly string[]): void =>
    io.stdout(`\n# ${title}\n${typed.map((line) => `$ ${line}\n`).join("")}`);

  step(
    "Make a key pair: whoever holds the private key signs tokens, the daemon only checks them",
    "bartender generate-keys",
  );
  await daemon.command("generate-keys");

  step("Start the daemon with an example configuration, on a free port, with a database of its own", "bartender serve");
  writeFileSync(join(directory, "config.yaml"), await projectFile("config-example.yaml"));
  await daemon.start();
  io.stdout(`Listening on ${daemon.url}\n`);

  step("Sign a token for yourself", "TOKEN=$(bartender generate-token --username me)");
  await daemon.signToken();
  io.stdout(`${daemon.token.slice(0, 30)}…\n`);

  step("Put the input into a zip file", "zip input.zip README.md");
  const readme = await projectFile("README.md");
  const archive = zipSync({ "README.md": readme });
  writeFileSync(join(directory, "input.zip"), archive);
  io.stdout(`input.zip: ${archive.length} bytes\n`);

  const auth = '-H "Authorization: Bearer $TOKEN"';
  step(
    "Submit it to the application wc",
    `curl -i -X PUT ${auth} -F 'upload=@input.zip;type=application/zip' ${daemon.url}/api/application/wc`,
  );
  const form = new FormData();
  form.set("upload", new File([archive], "input.zip", { type: "application/zip" }));
  const submitted = await daemon.call("PUT", "/api/application/wc", form);
  const jobUrl = submitted.headers.get("location");
  if (submitted.status !== 303 || jobUrl === null) throw new Error(`Unexpected answer ${await describe(submitted)}`);
  io.stdout(`303 See Other\nLocation: ${jobUrl}\n`);
  const jobPath = new URL(jobUrl).pathname;

  step("Ask for its state until it is ok or error", `curl ${auth} ${daemon.url}${jobPath}`);
  const state = await followState(daemon, jobPath, clock, io);

  step("Read what the command printed", `curl ${auth} ${daemon.url}${jobPath}/stdout`);
  const stdout = await (await daemon.call("GET", `${jobPath}/stdout`)).text();
  io.stdout(stdout);
  if (state !== "ok") {
    io.stderr(await (await daemon.call("GET", `${jobPath}/stderr`)).text());
    throw new Error(`The job ended in state ${state}`);
  }
  const [lines, words, bytes] = stdout.trim().split(/\s+/);
  if (Number(bytes) !== readme.length) throw new Error(`wc counted ${bytes} bytes, the file has ${readme.length}`);
  io.stdout(`\nThe README has ${lines} lines and ${words} words, counted by a job.\n`);
  return EXIT.ok;
}

async function followState(daemon: DemoDaemon, jobPath: string, clock: Clock, io: CommandIo): Promise<string> {
  const endMs = clock.monotonicMs() + PATIENCE_MS;
  for (let last = ""; clock.monotonicMs() < endMs; await pause(clock, 50)) {
    const answer = await daemon.call("GET", jobPath);
    const job: unknown = await answer.json();
    const state = isRecord(job) && typeof job.state === "string" ? job.state : "";
    if (state !== last) io.stdout(`${JSON.stringify(job)}\n`);
    if (state === "ok" || state === "error") return state;
    last = state;
  }
  throw new Error("The job did not end in time");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

async function describe(response: Response): Promise<string> {
  return `${response.status} ${await response.text()}`;
}
