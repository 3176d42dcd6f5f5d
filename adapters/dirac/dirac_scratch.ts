import { createWriteStream } from "node:fs";
import { copyFile, open, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { BartenderError, messageOf } from "../../src/core/errors.ts";
import { shellQuote } from "../../src/core/shell_quote.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { runScript } from "../ssh/run_script.ts";
import type { SshConnection } from "../ssh/ssh_connection.ts";
import { DiracUnavailableError } from "./dirac_errors.ts";
import type { DiracTools } from "./dirac_tools.ts";

/** A fresh private directory on the machine with DIRAC's commands; names in it are plain file names. */
export interface ScratchDirectory {
  /** Absolute on that machine. */
  readonly path: string;
  /** @returns the path of the file, absolute on that machine */
  write(name: string, text: string, signal: AbortSignal): Promise<string>;
  /** A file of text as it is; undefined when there is none. */
  read(name: string, signal: AbortSignal): Promise<string | undefined>;
  /**
   * Brings a whole file of this machine there, of any size.
   *
   * @returns its path there; where that is this machine, the file itself
   */
  send(localFile: string, name: string, signal: AbortSignal): Promise<string>;
  /** Brings a whole file from there to this machine, in the place of `localFile`. */
  fetch(name: string, localFile: string, signal: AbortSignal): Promise<void>;
}

/** Makes directories in which DIRAC's commands find their files and leave what they fetch. */
export interface DiracScratch {
  /** Removes the directory when `work` is done, whatever came of it. Faults are {@link DiracUnavailableError}s. */
  within<T>(signal: AbortSignal, work: (directory: ScratchDirectory) => Promise<T>): Promise<T>;
}

export interface DiracScratchOptions {
  readonly tools: Pick<DiracTools, "shell">;
  /** Where files of Bartender are on that machine; absolute. */
  readonly home: (signal: AbortSignal) => Promise<string>;
  /** The other machine; undefined: this one. */
  readonly connection: SshConnection | undefined;
  readonly where: string;
  readonly clock: Clock;
}

/** What a daemon that was killed has left behind is removed; whoever works there now is younger than a day or two. */
const MAKE = `d="$1/scratch" && mkdir -p -m 700 "$d" && { find "$d" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf -- '{}' + || :; } && mktemp -d "$d/XXXXXXXXXX"`;

const REMOVE = 'rm -rf -- "$1"';

/** A transfer that moves no byte for so long is given up. */
const STALL_MS = 60_000;

export function diracScratch({ tools, home, connection, where, clock }: DiracScratchOptions): DiracScratch {
  const remote = async (
    script: string,
    signal: AbortSignal,
    parts: Pick<Parameters<typeof runScript>[0], "input" | "read">,
  ) => {
    if (connection === undefined) throw new TypeError("There is no other machine");
    const { end, fault, stderr } = await runScript({
      connection,
      clock,
      script,
      use: "transfer",
      stallMs: STALL_MS,
      signal,
      ...parts,
    });
    if (fault !== undefined) throw fault;
    if (end.type !== "exited" || end.status !== 0) {
      throw new DiracUnavailableError(
        `A file could not be moved to or from ${where}: ${stderr.trim() || "the link was lost"}`,
      );
    }
  };
  const directoryAt = (path: string): ScratchDirectory => {
    const at = (name: string): string => `${path}/${name}`;
    return {
      path,
      async write(name, text, signal) {
        await tools.shell('cat >"$1"', [at(name)], signal, text);
        return at(name);
      },
      async read(name, signal) {
        const answer = await tools.shell('[ -f "$1" ] || exit 0; printf + && cat -- "$1"', [at(name)], signal);
        return answer.startsWith("+") ? answer.slice(1) : undefined;
      },
      async send(localFile, name, signal) {
        if (connection === undefined) return localFile;
        const file = await open(localFile);
        try {
          const input = file.createReadStream({ autoClose: false });
          await remote(`cat >${shellQuote(at(name))}`, signal, {
            input,
            read: async (output) => void (await pipeline(output, drain)),
          });
        } finally {
          await file.close();
        }
        return at(name);
      },
      async fetch(name, localFile, signal) {
        if (connection === undefined) return copyFile(at(name), localFile);
        await remote(`cat -- ${shellQuote(at(name))}`, signal, {
          read: (output) => pipeline(output, createWriteStream(localFile, { mode: 0o600 })),
        });
      },
    };
  };
  return {
    async within(signal, work) {
      const path = (await tools.shell(MAKE, [await home(signal)], signal)).trim();
      try {
        return await work(directoryAt(path));
      } catch (error) {
        if (error instanceof BartenderError) throw error;
        throw new DiracUnavailableError(`The work in ${path} on ${where} failed: ${messageOf(error)}`, error);
      } finally {
        await discard(path);
      }
    },
  };

  /** Also when the signal is over; what cannot be removed now is removed as too old later. */
  async function discard(path: string): Promise<void> {
    if (connection === undefined) await rm(path, { recursive: true, force: true });
    else await tools.shell(REMOVE, [path], AbortSignal.timeout(STALL_MS)).catch(() => undefined);
  }
}

async function drain(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}
