import process from "node:process";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type ApiClient, ApiError, apiAddress, apiClient } from "../cli/api_client.ts";
import type { ClientIo } from "../cli/client_io.ts";
import { runCancel, runDownload, runJobs, runLogs } from "../cli/client_jobs.ts";
import { EXIT } from "../cli/io.ts";
import { runSubmit } from "../cli/submit.ts";
import { PUBLIC_STATES } from "../core/job.ts";

interface AddressFlags {
  readonly url?: string;
  readonly tokenFile?: string;
}

/** Adds the commands that ask a daemon over its REST API. */
export function addClientCommands(program: Command, io: ClientIo): void {
  const withClient = async (flags: AddressFlags, run: (client: ApiClient) => Promise<number>): Promise<void> => {
    try {
      const onRetry = (reason: string): void => io.stderr(`bartender: ${reason}\n`);
      process.exitCode = await run(apiClient(await apiAddress(flags, io), { clock: io.clock, onRetry }));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      io.stderr(`bartender: ${error.message}\n`);
      process.exitCode = EXIT.fault;
    }
  };
  const client = (name: string, description: string): Command => program.command(name).description(description);

  connected(
    client("submit", "submit the files of a directory as a job, and print its number")
      .argument("<directory>", "whose files are packed and sent, hidden ones too")
      .requiredOption("--application <name>", "what to run")
      .option("--param <name=value>", "form value, may be given again for others", parameter, new Map<string, string>())
      .option("--wait", "wait for the end of the job; exit status 1 unless it is ok", false)
      .option("--idempotency-key <text>", "makes a submission that is sent again known again (default: a random one)"),
  ).action((directory: string, flags: AddressFlags & SubmitFlags) => {
    const { application, param: parameters, wait, idempotencyKey } = flags;
    const options = { directory, application, parameters, wait, idempotencyKey };
    return withClient(flags, (api) => runSubmit(api, options, io));
  });

  connected(
    client("jobs", "list your newest jobs")
      .option("--limit <number>", "how many at most", positive, 10)
      .addOption(new Option("--state <state...>", "only jobs in these states").choices(PUBLIC_STATES).default([]))
      .option("--json", "print what the API answers", false),
  ).action((flags: AddressFlags & { limit: number; state: string[]; json: boolean }) => {
    const { limit, state: states, json } = flags;
    return withClient(flags, (api) => runJobs(api, { limit, states, json }, io));
  });

  connected(
    client("logs", "print what the command of a job wrote")
      .argument("<id>", "number of the job", positive)
      .option("-f, --follow", "go on until the job has ended", false)
      .option("--stderr", "standard error in the place of standard output", false),
  ).action((id: number, flags: AddressFlags & { follow: boolean; stderr: boolean }) => {
    const log = flags.stderr ? "stderr" : "stdout";
    return withClient(flags, (api) => runLogs(api, { id, log, follow: flags.follow }, io));
  });

  connected(
    client("cancel", "end a job; it stays as error, with its files").argument("<id>", "number of the job", positive),
  ).action((id: number, flags: AddressFlags) => withClient(flags, (api) => runCancel(api, { id })));

  connected(
    client("download", "save all files of a job as an archive")
      .argument("<id>", "number of the job", positive)
      .option(
        "--output <path>",
        "file, whose ending says what archive it is, or directory (default: job-<id>.zip here)",
      )
      .option("--force", "replace an existing file", false),
  ).action((id: number, flags: AddressFlags & { output?: string; force: boolean }) => {
    const { output, force } = flags;
    return withClient(flags, (api) => runDownload(api, { id, output, force }, io));
  });
}

function connected(command: Command): Command {
  const add = (flags: string, text: string): Command =>
    command.addOption(new Option(flags, text).helpGroup("Options of the connection:"));
  add("--url <address>", "of the daemon (default: $BARTENDER_URL, else http://127.0.0.1:8000)");
  return add("--token-file <file>", "with the token (default: $BARTENDER_TOKEN or $BARTENDER_TOKEN_FILE)");
}

interface SubmitFlags {
  readonly application: string;
  readonly param: Map<string, string>;
  readonly wait: boolean;
  readonly idempotencyKey?: string;
}

function parameter(text: string, before: Map<string, string>): Map<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("expected name=value");
  return new Map([...before, [text.slice(0, at), text.slice(at + 1)]]);
}

function positive(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("expected a whole number of 1 or more");
  return Number(text);
}
