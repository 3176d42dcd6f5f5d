import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import { TransferError } from "../../src/core/errors.ts";
import { shellQuote } from "../../src/core/shell_quote.ts";
import type { RawName } from "../../src/files/open_directory.ts";
import { readTar } from "../../src/files/tar_reader.ts";
import { tarArchive } from "../../src/files/tar_writer.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { runScript } from "../ssh/run_script.ts";
import type { SshConnection } from "../ssh/ssh_connection.ts";
import type { RemoteTree } from "./remote_tree.ts";
import { sendShares } from "./send_shares.ts";
import { asTransferError, transferFault } from "./transfer_faults.ts";
import { isPlainPath, type ListedEntry, type ListedFile, type Listing } from "./tree_listing.ts";

export interface ShellTreeOptions {
  readonly connection: SshConnection;
  readonly clock: Clock;
  readonly stallMs: number;
}

/** Exit status where something exists that must not. */
const EXISTS = 17;

/** A host that makes many files does it faster in several places at a time. */
const MANY_ENTRIES = 1_000;
const STREAMS = 3;

/** A listing that is longer belongs to no job. */
const MAX_LISTING_BYTES = 1_000_000_000;

/** One entry: kind, permissions, size, time and path, then the target of a link; each ended by NUL. */
const FIND = String.raw`find . -mindepth 1 \( -type f -o -type d -o -type l \) -printf '%y %m %s %T@ %P\0%l\0'`;

/** Moves files as `tar` archives through commands of an account that has a shell and the GNU programs. */
export function shellTree({ connection, clock, stallMs }: ShellTreeOptions): RemoteTree {
  const where = connection.name;

  const run = async <T>(
    script: string,
    read: (output: Readable) => Promise<T>,
    signal: AbortSignal,
    input?: AsyncIterable<Uint8Array>,
  ): Promise<{ status: number; value: T | undefined; stderr: string }> => {
    try {
      const result = await runScript({
        connection,
        clock,
        script,
        use: "transfer",
        read,
        stallMs,
        signal,
        ...(input === undefined ? {} : { input }),
      });
      if (result.fault !== undefined) throw result.fault;
      if (result.end.type === "unknown") {
        throw new TransferError(`The connection to ${where} was lost during a transfer`, { retryable: true });
      }
      if (result.end.type === "signalled" || !result.hasBegun) {
        const why = result.end.type === "signalled" ? `a command was ended by ${result.end.signal}` : result.stderr;
        throw transferFault(where, why);
      }
      return { status: result.end.status, value: result.value, stderr: result.stderr };
    } catch (error) {
      throw asTransferError(error, where, signal);
    }
  };
  const mustRun = async <T>(...args: Parameters<typeof run<T>>): Promise<T> => {
    const { status, value, stderr } = await run<T>(...args);
    if (status !== 0 || value === undefined) throw transferFault(where, stderr);
    return value;
  };

  return {
    async list(directories, signal) {
      const script = directories.map((directory) => listStatement(directory)).join(" && ");
      const strings = await mustRun(script, readStrings, signal);
      return readListings(strings, where);
    },
    async send(directory, entries, count, signal) {
      if (count < MANY_ENTRIES) {
        const script = `${receiveStatement(directory)} && ${listStatement(directory)}`;
        const strings = await mustRun(script, readStrings, signal, tarArchive(entries));
        return readListings(strings, where)[0] ?? new Map();
      }
      await sendShares(entries, STREAMS, signal, async (bytes, either) => {
        await mustRun(receiveStatement(directory), readStrings, either, bytes);
      });
      const [listing] = await this.list([directory], signal);
      return listing ?? new Map();
    },
    async sendNew(directory, others, entries, _count, signal) {
      const script = `${unlessThere([directory, ...others])}; ${receiveStatement(directory)} && ${listStatement(directory)}`;
      const { status, value, stderr } = await run(script, readStrings, signal, tarArchive(entries));
      if (status === EXISTS) return undefined;
      if (status !== 0 || value === undefined) throw transferFault(where, stderr);
      return readListings(value, where)[0] ?? new Map();
    },
    async fetch(directory, files, open, signal) {
      const wanted = new Map(files.map((file) => [file.path, file]));
      const script = `cd -- ${shellQuote(directory)} && tar -c --format=gnu --hard-dereference --no-recursion --null --no-unquote -T - -f -`;
      const receive = async (output: Readable): Promise<number> => {
        for await (const { path, size, body } of readTar(output)) {
          const name = path.replace(/^\.\//, "");
          const file = wanted.get(name);
          // Only what was asked for, and only once.
          if (file === undefined) throw transferFault(where, "The host sent a file that was not asked for");
          wanted.delete(name);
          if (size !== file.size) throw transferFault(where, "A file was changed while it was copied");
          const sink = open(file);
          let position = 0;
          for await (const piece of body) {
            const written = sink.write(piece, position);
            if (written !== undefined) await written;
            position += piece.length;
          }
          const finished = sink.finish();
          if (finished !== undefined) await finished;
        }
        return 0;
      };
      await mustRun(script, receive, signal, names(files));
      if (wanted.size > 0) throw transferFault(where, `The host left out ${wanted.size} files`);
    },
    async sums(directory, paths, signal) {
      const script = `cd -- ${shellQuote(directory)} && xargs -0 -r sha256sum -z --`;
      const strings = await mustRun(script, readStrings, signal, names(paths.map((path) => ({ path }))));
      return new Map(strings.map((line) => [line.slice(66).replace(/^\.\//, ""), line.slice(0, 64)]));
    },
    async rename(from, to, signal) {
      const script = `${unlessThere([to])}; mv -T -- ${shellQuote(from)} ${shellQuote(to)}`;
      const { status, stderr } = await run(script, readStrings, signal);
      if (status === EXISTS) throw new TransferError(`${to} exists already on ${where}`, { retryable: false });
      if (status !== 0) throw transferFault(where, stderr);
    },
    async remove(directories, signal) {
      const paths = directories.map(shellQuote).join(" ");
      // A job may have taken its own permissions away.
      const script = `rm -rf -- ${paths} 2>/dev/null || { find ${paths} -type d ! -perm -700 -exec chmod u+rwx '{}' + 2>/dev/null; rm -rf -- ${paths}; }`;
      await mustRun(script, readStrings, signal);
    },
  };
}

function receiveStatement(directory: string): string {
  const path = shellQuote(directory);
  return `mkdir -p -- ${path} && cd -- ${path} && tar -xof - && cat >/dev/null`;
}

/** Ends the script where one of the paths is there. */
function unlessThere(paths: readonly string[]): string {
  const tests = paths.map(shellQuote).map((path) => `[ -e ${path} ] || [ -L ${path} ]`);
  return `if ${tests.join(" || ")}; then exit ${EXISTS}; fi`;
}

/** Prints `present`, the entries and `end`; or `absent`. */
function listStatement(directory: string): string {
  const path = shellQuote(directory);
  return `if [ -d ${path} ] && [ ! -L ${path} ]; then cd -- ${path} && printf 'present\\0' && ${FIND} && printf 'end\\0'; else printf 'absent\\0'; fi`;
}

async function readStrings(output: Readable): Promise<readonly string[]> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of output) {
    pieces.push(piece);
    length += piece.length;
    if (length > MAX_LISTING_BYTES) throw new Error("The list of files is too long");
  }
  const text = Buffer.concat(pieces).toString("latin1");
  return text === "" ? [] : text.replace(/\0$/, "").split("\0");
}

function readListings(strings: readonly string[], where: string): readonly (Listing | undefined)[] {
  const listings: (Listing | undefined)[] = [];
  for (let at = 0; at < strings.length; ) {
    if (strings[at] === "absent") {
      listings.push(undefined);
      at += 1;
      continue;
    }
    const listing = new Map<RawName, ListedEntry>();
    for (at += 1; strings[at] !== "end"; at += 2) {
      const entry = readEntry(strings[at], strings[at + 1]);
      if (entry === undefined) throw transferFault(where, "The list of files is not to be understood");
      listing.set(entry.path, entry);
    }
    at += 1;
    listings.push(listing);
  }
  return listings;
}

function readEntry(facts = "", target = ""): ListedEntry | undefined {
  const [, kind, mode = "", size, time, path = ""] = /^([fdl]) ([0-7]+) (\d+) (-?\d+)\S* (.*)$/s.exec(facts) ?? [];
  if (!isPlainPath(path)) return undefined;
  const common = { path, mode: Number.parseInt(mode, 8), modifiedS: Number(time) };
  if (kind === "d") return { ...common, type: "directory" };
  return kind === "f" ? { ...common, type: "file", size: Number(size) } : { ...common, type: "link", target };
}

/** Names for a program that reads them from its input; none can be taken for an option. */
async function* names(files: readonly Pick<ListedFile, "path">[]): AsyncGenerator<Uint8Array, void, undefined> {
  const AT_ONCE = 1024;
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const text = files.slice(at, at + AT_ONCE).map(({ path }) => `./${path}\0`);
    yield Buffer.from(text.join(""), "latin1");
  }
}
