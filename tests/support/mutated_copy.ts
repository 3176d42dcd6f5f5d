import { spawn } from "node:child_process";
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TempDir, tempDir } from "./temp_dir.ts";

/** What a copy needs to run; what it does not change is linked. */
const COPIED = ["actors", "adapters", "src", "tests/support"];
const LINKED = ["node_modules", "packaging", "package.json", "tsconfig.json", "bunfig.toml"];
const PROJECT = join(import.meta.dir, "../..");

/** A fault that somebody could make. */
export interface Change {
  readonly file: string;
  /** Has to be in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

/**
 * Runs a program of the project, by its path and arguments for Bun, in a copy that has the faults.
 *
 * @param files further files of the project that it needs
 */
export async function runMutated(
  changes: readonly Change[],
  args: readonly string[],
  files: readonly string[] = [],
): Promise<{ readonly status: number | null; readonly told: string }> {
  using dir = mutatedCopy(changes, [...COPIED, ...files]);
  for (const path of LINKED) symlinkSync(join(PROJECT, path), join(dir.path, path));
  const child = spawn(process.execPath, args, { cwd: dir.path, stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => {
      told += text.toString();
    });
  }
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, told };
}

/** A copy of a part of the project, in a directory of its own, that has the faults. */
export function mutatedCopy(changes: readonly Change[], paths: readonly string[]): TempDir {
  const dir = tempDir();
  for (const path of paths) cpSync(join(PROJECT, path), join(dir.path, path), { recursive: true });
  for (const change of changes) mutate(dir.path, change);
  return dir;
}

function mutate(directory: string, change: Change): void {
  const path = join(directory, change.file);
  writeFileSync(path, changed(readFileSync(path, "utf8"), change));
}

/** A source with the fault. */
export function changed(source: string, { file, from, to }: Change): string {
  const places = source.split(from).length - 1;
  if (places !== 1) throw new Error(`${file}: the text to be replaced was found ${places} times:\n${from}`);
  return source.replace(from, () => to);
}
