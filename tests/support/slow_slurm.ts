import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TempDir, tempDir } from "./temp_dir.ts";

const PROGRAMS = ["sbatch", "squeue", "sacct", "scancel"] as const;

export type SlurmProgram = (typeof PROGRAMS)[number];

/** How long an answer takes, in seconds: until Slurm is asked, and after it has answered. */
export interface Slowness {
  readonly beforeS?: number;
  readonly afterS?: number;
}

/** For answers that never come. */
export const ENDLESS_S = 9_999;

/** Slurm's real programs, each behind a script that is as slow as a test says; it may say so while they run. */
export interface SlowSlurm extends Disposable {
  /** That of the cluster, with the scripts in it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Makes programs so slow. Default: all of them. */
  slow(slowness: Slowness, ...programs: readonly SlurmProgram[]): void;
  /** How often the programs were called so far. */
  calls(...programs: readonly SlurmProgram[]): number;
  /** How often Slurm was asked about jobs while it was still being asked. */
  readonly askedTwice: number;
}

// The time is looked at again and again, so that it may be changed.
const script = (directory: string, name: SlurmProgram): string => `#!/bin/sh
cd ${directory} || exit 1
await() {
  i=0
  while read -r t <"$1" && [ "$i" -lt "$t" ]; do sleep 0.1; i=$((i + 1)); done
}
echo >>${name}.calls
if [ ${name} = squeue ] || [ ${name} = sacct ]; then
  for f in asking.*; do
    if [ -e "$f" ] && kill -0 "\${f##*.}" 2>/dev/null; then echo >>twice; fi
  done
  echo >"asking.$$"
fi
await ${name}.before
(cd "$OLDPWD" && exec /usr/bin/${name} "$@")
s=$?
await ${name}.after
rm -f "asking.$$"
exit "$s"
`;

export function slowSlurm(environment: Readonly<Record<string, string>>): SlowSlurm {
  const dir: TempDir = tempDir();
  const place = (name: string): string => join(dir.path, name);
  const slow = ({ beforeS = 0, afterS = 0 }: Slowness, ...programs: readonly SlurmProgram[]): void => {
    for (const name of programs.length === 0 ? PROGRAMS : programs) {
      writeFileSync(place(`${name}.before`), `${beforeS * 10}\n`);
      writeFileSync(place(`${name}.after`), `${afterS * 10}\n`);
    }
  };
  slow({});
  for (const name of PROGRAMS) writeFileSync(place(name), script(dir.path, name), { mode: 0o755 });
  const lines = (name: string): number => (existsSync(place(name)) ? readFileSync(place(name), "utf8").length : 0);
  return {
    environment: { ...environment, PATH: `${dir.path}:${environment.PATH}` },
    slow,
    calls: (...programs) => programs.reduce((sum, name) => sum + lines(`${name}.calls`), 0),
    get askedTwice() {
      return lines("twice");
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}
