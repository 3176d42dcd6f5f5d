import { shellQuote } from "../../../src/core/shell_quote.ts";
import { LONGEST_ARGUMENT_BYTES, runAndRecord } from "../run_script.ts";

/** What the script of a job is made from. */
export interface SlurmScriptOptions {
  readonly command: string;
  /** Working directory of the job. */
  readonly directory: string;
  /** Where the record of the attempt goes; absolute. */
  readonly recordPath: string;
  /** Lines `#SBATCH <option>`, as configured. */
  readonly extraOptions: readonly string[];
  /** True when Slurm may start the same job again. */
  readonly mayRequeue: boolean;
}

/**
 * The batch script of one attempt.
 *
 * The record is made exclusively before anything else. A second job of the same attempt, which comes into being when
 * the answer of a submission was lost, finds it there and ends without a trace. Only the same job may start
 * again, and only where requeueing is configured; the record says which of its runs it is of, from 0. Once the record
 * is there, standard error is the record, so that the shell's notices of signals go there, and descriptor 3 is the
 * job's `stderr.txt`.
 *
 * Slurm opens the logs for appending, so that a second job empties nothing; the script empties what an earlier
 * attempt left.
 */
export function slurmScript({ command, directory, recordPath, extraOptions, mayRequeue }: SlurmScriptOptions): string {
  const facts = JSON.stringify({ directory }).slice(0, -1);
  return [
    "#!/bin/bash",
    // Before the configured options, so that these may say otherwise.
    "#SBATCH --no-requeue",
    ...extraOptions.map((option) => `#SBATCH ${option}`),
    "k=",
    "trap k=1 TERM",
    "set +o posix",
    `a=${bashQuote(recordPath)}`,
    `h=${bashQuote(facts)}',"run":'"\${SLURM_RESTART_COUNT:-0}}"`,
    `c=${bashQuote(command)}`,
    `mkdir -p -m 700 "\${a%/*}"`,
    `if ! (set -C; printf '%s %s\\n' "$SLURM_JOB_ID" "$h" >"$a") 2>/dev/null; then`,
    '  if [ ! -e "$a" ]; then echo "Bartender: $a cannot be written" >&2; exit 3; fi',
    '  read -r n l <"$a"',
    mayRequeue ? '  if [ "$n" != "$SLURM_JOB_ID" ]; then exit 0; fi' : "  exit 0",
    `  printf '%s %s\\n' "$SLURM_JOB_ID" "$h" >"$a"`,
    "fi",
    'exec 3>&2 2>>"$a"',
    "rm -rf returncode",
    ": >stdout.txt",
    ": >stderr.txt",
    ...commandArguments(command),
    runAndRecord('exec /bin/bash "$@"'),
    `[ -z "$k" ] || printf '{"terminated":true}\\n' >&2`,
    '[ "$r" -ge 0 ] || exit $((128 - r))',
    'exit "$r"',
    "",
  ].join("\n");
}

/** sbatch(1) refuses a script with carriage returns, which text from web forms often has. */
function bashQuote(text: string): string {
  return shellQuote(text).replaceAll("\r", () => "'$'\\r''");
}

function commandArguments(command: string): readonly string[] {
  return Buffer.byteLength(command) > LONGEST_ARGUMENT_BYTES
    ? [`printf '%s\\n' "$c" >"$a.sh" || exit 3`, 'set -- "$a.sh"', "c="]
    : ['set -- -c -- "$c"'];
}
