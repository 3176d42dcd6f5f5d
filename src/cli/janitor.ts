import type { Config } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import { messageOf } from "../core/errors.ts";
import { formatBytes } from "./format_bytes.ts";
import { type CommandIo, EXIT } from "./io.ts";
import { type FollowFiles, readConfig } from "./read_config.ts";

/** Something that a round of cleaning up would remove. */
export interface Superfluous {
  /** What it is, and why it would go. */
  readonly what: string;
  readonly bytes: number;
  /** Since its last change, or since the job finished. */
  readonly ageMs: number;
}

export interface JanitorCommandOptions {
  /** Undefined: as the environment says. */
  readonly config: string | undefined;
  readonly environment: Environment;
  readonly follow: FollowFiles;
  /** Only tell what would be removed. */
  readonly isDryRun: boolean;
  /** Does one round. @returns how much it has dealt with, by kind; `faults` says how often it failed */
  readonly cleanUp: (config: Config) => Promise<Readonly<Record<string, number>> & { readonly faults: number }>;
  /** Looks what a round would remove, without changing anything. */
  readonly preview: (config: Config) => AsyncIterable<Superfluous>;
}

/**
 * Cleans up once, as the daemon does every hour, or tells what that would remove.
 *
 * @returns the exit status: 1 when something could not be looked at or removed, or a daemon is running
 */
export async function runJanitor(options: JanitorCommandOptions, io: CommandIo): Promise<number> {
  const config = await readConfig({ ...options, missingJobRoot: "require" }, io);
  if (config === undefined) return EXIT.fault;
  try {
    if (options.isDryRun) return await preview(options.preview(config), io);
    const { faults, ...counts } = await options.cleanUp(config);
    const done = Object.entries(counts).filter(([, count]) => count > 0);
    io.stdout(done.length === 0 ? "Nothing to clean up\n" : `Cleaned up: ${listed(done)}\n`);
    if (faults > 0) io.stderr(`bartender: ${faults} times something could not be cleaned up, see above\n`);
    return faults > 0 ? EXIT.fault : EXIT.ok;
  } catch (error) {
    io.stderr(`bartender: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
}

async function preview(found: AsyncIterable<Superfluous>, io: CommandIo): Promise<number> {
  let [count, bytes] = [0, 0];
  for await (const one of found) {
    io.stdout(`${one.what}, ${formatBytes(one.bytes)}, ${ageText(one.ageMs)}\n`);
    count += 1;
    bytes += one.bytes;
  }
  io.stdout(count === 0 ? "Nothing would be removed\n" : `${count} would be removed, ${formatBytes(bytes)}\n`);
  return EXIT.ok;
}

function listed(counts: readonly (readonly [string, number])[]): string {
  return counts.map(([kind, count]) => `${count} ${kind}`).join(", ");
}

function ageText(ageMs: number): string {
  const hours = ageMs / 3_600_000;
  return hours < 48 ? `${hours.toFixed(1)} hours old` : `${Math.floor(hours / 24)} days old`;
}
