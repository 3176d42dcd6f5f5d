import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandStartError, messageOf } from "../../src/core/errors.ts";
import type { CommandRunner } from "../../src/ports/command_runner.ts";
import { ClientFileError, type ClientOptions, type ClientReadings, parseClientOptions } from "./client_options.ts";

/** The files that `ssh(1)` reads; absolute. */
export interface ClientFiles {
  readonly user: string;
  readonly system: string;
}

/** What `ssh(1)` is asked about. */
export interface ClientQuestion {
  readonly hostname: string;
  /** As if it were on the command line, which counts for `Match`, too; undefined: as the files say. */
  readonly port: number | undefined;
  readonly username: string | undefined;
  /** The way to the host is decided, so that neither ProxyJump nor ProxyCommand counts. */
  readonly isWayDecided: boolean;
}

export interface ClientAsker {
  readonly files: ClientFiles;
  /** @throws {ClientFileError} where a file cannot be read or has a fault */
  ask(question: ClientQuestion, signal: AbortSignal): Promise<ClientReply>;
}

/** What the files say, that there are none, or why nobody can tell. */
export type ClientReply =
  | ({ readonly type: "read" } & ClientReadings)
  | { readonly type: "nothing" }
  | { readonly type: "missed"; readonly reason: string };

export interface ClientAskerOptions {
  readonly runner: CommandRunner;
  readonly files: ClientFiles;
  /** Of `ssh(1)`, with the HOME that Include is relative to; what a `Match exec` sees as well. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A `Match exec` may ask the network. */
const TIMEOUT_MS = 20_000;
const MAX_OUTPUT_BYTES = 200_000;

/**
 * Asks the installed `ssh(1)`, which alone knows for sure what a client file means: patterns, Match, Include, tokens and
 * canonical names, and whether it has a fault. Libraries at hand take unknown words, bad values and Include in silence.
 */
export function clientAsker({ runner, files, environment }: ClientAskerOptions): ClientAsker {
  const run = async (
    from: readonly string[],
    { hostname, port, username, isWayDecided }: ClientQuestion,
    signal: AbortSignal,
  ): Promise<ClientOptions | undefined> => {
    const args = [
      ...["-G", "-T"],
      ...from,
      ...(port === undefined ? [] : ["-p", String(port)]),
      ...(username === undefined ? [] : ["-l", username]),
      // The first of the two counts, so that this is for ProxyJump as well.
      ...(isWayDecided ? ["-o", "ProxyCommand=none"] : []),
      ...["--", hostname],
    ];
    const { returnCode, isTimedOut, stdout, stderr } = await runner.run(
      {
        program: "ssh",
        args,
        environment,
        timeoutMs: TIMEOUT_MS,
        maxOutputBytes: MAX_OUTPUT_BYTES,
        leavesNothing: true,
      },
      signal,
    );
    if (returnCode === 0) return parseClientOptions(stdout.text);
    const host = JSON.stringify(hostname);
    if (isTimedOut) {
      throw new ClientFileError(
        `${files.user} or ${files.system}: ssh -G ${host} did not answer within ${TIMEOUT_MS / 1000} seconds; look at Match exec`,
      );
    }
    const why = reasonOf(stderr.text);
    // An account that only the service manager knows of has no client file either, as far as OpenSSH goes.
    if (why.startsWith("No user exists for uid")) return undefined;
    if (why === "") throw new ClientFileError(`ssh -G ${host} ended with status ${returnCode} without a word`);
    // Only what is about a file names one.
    throw new ClientFileError(why.includes("/") ? why : `ssh(1) refuses ${host}: ${why}`);
  };

  return {
    files,
    async ask(question, signal) {
      // One exists only when that can be seen: homes that are hidden from a service have no client file.
      const [hasUser, hasSystem] = [existsSync(files.user), existsSync(files.system)];
      if (!hasUser && !hasSystem) return { type: "nothing" };
      const missed = (why: string): ClientReply =>
        hasUser ? { type: "missed", reason: `${files.user} is not followed: ${why}` } : { type: "nothing" };
      const directory = await mkdtemp(join(tmpdir(), "bartender-ssh-"));
      const read = async (...names: readonly string[]): Promise<ClientOptions | undefined> =>
        await run(await includer(directory, names), question, signal);
      try {
        const none = await run(["-F", "none"], question, signal);
        if (none === undefined) return missed("ssh(1) does not know this account");
        const system = (hasSystem && (await read(files.system))) || none;
        const all = (hasUser && (await read(files.user, ...(hasSystem ? [files.system] : [])))) || system;
        return { type: "read", all, system, none };
      } catch (error) {
        if (!(error instanceof CommandStartError)) throw error;
        if (error.retryable) throw new ClientFileError(`ssh(1) could not be asked: ${messageOf(error)}`, error);
        return missed("ssh(1) is not installed");
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/**
 * The option that makes `ssh(1)` read just these files. By itself it would take the one in the home directory of the
 * account, where we follow $HOME, as it does for Include. It may read files twice, for `Match final`, so this is no pipe.
 */
async function includer(directory: string, files: readonly string[]): Promise<readonly string[]> {
  const path = join(directory, `of_${files.length}`);
  await writeFile(path, files.map((file) => `Include "${file}"\n`).join(""));
  return ["-F", path];
}

/** What `ssh(1)` says is wrong, without the line that only counts faults. */
function reasonOf(stderr: string): string {
  const lines = stderr.split(/\r?\n/).map((line) => line.trim());
  const telling = lines.filter((line) => line !== "" && !/: terminating, \d+ bad configuration options$/.test(line));
  return telling.slice(0, 5).join("; ");
}
