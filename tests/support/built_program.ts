import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { type Change, changed } from "./mutated_copy.ts";
import { atEndOfRun } from "./run_end.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

const ROOT = resolve(import.meta.dir, "../..");

/** What the threads of programs run; paths below the project. */
export const THREADS = readFileSync(join(ROOT, "packaging/threads"), "utf8").trim().split("\n");
/** What programs start by name beside themselves: their threads, and the guard of performers. */
const BESIDE = [...THREADS, "src/performer_guard.ts"].map((path) => join(ROOT, path));

let place: TempDir | undefined;
const built = new Map<string, string>();
const mutants = new Set<string>();

/**
 * A program of the project in few files instead of hundreds, made as `packaging/build` makes the one that users get. It
 * starts in half the processor time, and tests start hundreds. Made of the sources when it is first asked for, so that it
 * can never be an old one.
 *
 * @param source absolute path of its first module, or what {@link mutatedProgram} has returned
 * @returns what Bun is to run instead
 */
export function builtProgram(source: string): string {
  const known = mutants.has(source) ? source : built.get(source);
  if (known !== undefined) return known;
  const directory = join(placeOfAll(), basename(source, ".ts"));
  const { status, stderr } = spawnSync(
    process.execPath,
    ["build", "--target=bun", "--splitting", "--entry-naming=[name].ts", `--outdir=${directory}`, source, ...BESIDE],
    { cwd: ROOT, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`${source} cannot be built:\n${stderr}`);
  const program = join(directory, basename(source));
  built.set(source, program);
  return program;
}

/** Another one with faults that somebody could make. */
export async function mutatedProgram(source: string, changes: readonly Change[]): Promise<string> {
  const directory = join(placeOfAll(), `mutant${mutants.size}`);
  const program = join(directory, basename(source));
  mutants.add(program);
  const missed = new Set(changes.map(({ file }) => join(ROOT, file)));
  const filter = new RegExp(`^(${[...missed].map((path) => RegExp.escape(path)).join("|")})$`);
  await Bun.build({
    entrypoints: [source, ...BESIDE],
    ...{ target: "bun", splitting: true, outdir: directory, naming: { entry: "[name].ts" } },
    plugins: [
      {
        name: "faults",
        setup(build) {
          build.onLoad({ filter }, ({ path }) => {
            missed.delete(path);
            const own = changes.filter(({ file }) => join(ROOT, file) === path);
            return { contents: own.reduce(changed, readFileSync(path, "utf8")), loader: "ts" };
          });
        },
      },
    ],
  });
  if (missed.size > 0) throw new Error(`Not a part of ${source}: ${[...missed].join(", ")}`);
  return program;
}

/** Looks like the project to what looks for files of packages. */
function placeOfAll(): string {
  if (place !== undefined) return place.path;
  const dir = tempDir();
  symlinkSync(join(ROOT, "node_modules"), join(dir.path, "node_modules"));
  atEndOfRun(async () => dir[Symbol.dispose]());
  place = dir;
  return dir.path;
}
