import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DiracRecord, parseDiracRecord } from "../../../../adapters/scheduler/dirac/dirac_sandboxes.ts";
import { type DiracScriptOptions, diracScript, SANDBOX } from "../../../../adapters/scheduler/dirac/dirac_script.ts";
import { tempDir } from "../../../support/temp_dir.ts";

/** Every shell of this machine that could be the one of a node. */
export const SHELLS = [
  { name: "the machine's sh", program: "/bin/sh", first: [] },
  { name: "bash", program: "/bin/bash", first: [] },
  { name: "busybox", program: "/bin/busybox", first: ["sh"] },
].filter(({ program }) => existsSync(program));

export type Shell = Pick<(typeof SHELLS)[number], "program" | "first">;

/** Directory of the job on the grid, and the storage element of its output. */
export const JOB = "/vo/user/s/somebody/jobs/7";
export const TAG = "bartender-abc-7-1";

/**
 * DIRAC's data commands with a directory as the grid: what can go wrong with storage at a given moment cannot be had
 * from a real one. `$GRID/fail` says how often add-file fails without doing anything, `$GRID/lose` how often after.
 */
const STUBS: Readonly<Record<string, string>> = {
  "dirac-dms-add-file": `f=; [ "$1" != -f ] || { f=1; shift; }
count() { [ -s "$GRID/$1" ] || return 1; read -r c <"$GRID/$1"; [ "$c" -gt 0 ] || return 1; echo $((c - 1)) >"$GRID/$1"; }
if count fail; then echo "Error: failed to upload $1 to $3: {'OK': False}"; exit 3; fi
p=$GRID/files$1
if [ -z "$f" ] && [ -e "$p" ]; then echo "Error: failed to upload $1: This LFN already exists"; exit 3; fi
mkdir -p "\${p%/*}"; cp "$2" "$p" || exit 3
echo "$1 $3" >>"$GRID/uploads"
if count lose; then echo "Error: failed to upload $1: timeout"; exit 3; fi
echo "Successfully uploaded file to $3"`,
  "dirac-dms-get-file": `[ -e "$GRID/files$1" ] || { echo "ERROR {'Failed': {'$1': 'No such file or directory'}}"; exit 2; }
cp "$GRID/files$1" "./\${1##*/}"`,
  // A stand-in, as Debian has no package of Apptainer: a container that shows what it was asked to run, and sees only the working directory.
  apptainer: `[ "$1" = run ] || exit 9
echo "$2" >>"$GRID/images"; shift 2
IN_CONTAINER=yes exec "$@"`,
};

export interface ScriptRun {
  /** Exit status of the script. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** As DIRAC would bring it home. */
  readonly record: DiracRecord | undefined;
  /** Content of a file of the sandbox; undefined when it is not there. */
  sandbox(name: string): string | undefined;
}

/** One job directory on a grid of its own. */
export function scriptWorld() {
  const dir = tempDir();
  const grid = join(dir.path, "grid");
  const bin = join(dir.path, "bin");
  const input = join(dir.path, "input");
  for (const path of [grid, bin, input, join(grid, "files", JOB)]) mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(STUBS)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  let nodes = 0;
  return {
    /** Files that the job is given. */
    input,
    grid,
    /** Runs the script on a fresh node. */
    run(
      command: string,
      options: Partial<DiracScriptOptions> & { readonly shell?: Shell; readonly job?: number } = {},
    ): ScriptRun {
      nodes += 1;
      const node = join(dir.path, `node${nodes}`);
      mkdirSync(node);
      spawnSync("tar", ["-C", input, "-cf", join(grid, "files", JOB, "input.tar"), "."]);
      writeFileSync(
        join(node, "bartender.sh"),
        diracScript({
          command,
          directory: JOB,
          tag: TAG,
          storageElement: "SE",
          apptainerImage: undefined,
          output: "output.tar",
          retryS: 0,
          ...options,
        }),
      );
      const { program, first } = options.shell ?? { program: "/bin/sh", first: [] };
      const { status, stdout, stderr } = spawnSync(program, [...first, "./bartender.sh"], {
        cwd: node,
        env: { PATH: `${bin}:/usr/bin:/bin`, GRID: grid, DIRACJOBID: String(options.job ?? 41), LC_ALL: "C.UTF-8" },
        encoding: "utf8",
      });
      const sandbox = (name: string): string | undefined => {
        const path = join(node, name);
        return existsSync(path) ? readFileSync(path, "utf8") : undefined;
      };
      const record = parseDiracRecord(sandbox(SANDBOX.record)?.split("\n") ?? []);
      return { status, stdout, stderr, record, sandbox };
    },
    /** Unpacks what a job has sent to the grid. @returns its paths and, of regular files, what is in them */
    output(name = "output.tar"): ReadonlyMap<string, string | undefined> | undefined {
      const tar = join(grid, "files", JOB, name);
      if (!existsSync(tar)) return undefined;
      const at = mkdtempSync(join(dir.path, "output-"));
      spawnSync("tar", ["-C", at, "-xf", tar]);
      return new Map(
        readdirSync(at, { recursive: true, withFileTypes: true }).map((entry) => {
          const path = join(entry.parentPath, entry.name);
          return [path.slice(at.length + 1), entry.isFile() ? readFileSync(path, "utf8") : undefined];
        }),
      );
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}
