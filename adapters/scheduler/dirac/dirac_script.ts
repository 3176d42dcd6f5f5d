import { shellQuote } from "../../../src/core/shell_quote.ts";
import { LONGEST_ARGUMENT_BYTES, runAndRecord } from "../run_script.ts";

/** What the script of a job is made from. */
export interface DiracScriptOptions {
  readonly command: string;
  /** Directory of the job on the grid; absolute. */
  readonly directory: string;
  readonly tag: string;
  /** Where the output goes. */
  readonly storageElement: string;
  /** Container that the whole command runs in. */
  readonly apptainerImage: string | undefined;
  /** Name of the output in that directory, of this attempt alone. */
  readonly output: string;
  /** Wait before grid storage is tried a second time; doubled after each further try. In seconds. */
  readonly retryS: number;
}

/** Files in the node's directory of a job that DIRAC brings home, see {@link diracScript}. */
export const SANDBOX = {
  /** As `attempt_record.ts` reads it. */
  record: ".bartender/record",
  stdout: ".bartender/stdout.txt",
  stderr: ".bartender/stderr.txt",
  /** What the script itself said. */
  scriptStdout: "jobstdout.txt",
  scriptStderr: "jobstderr.txt",
} as const;

/** How often grid storage is tried before the script gives up. */
const TRIES = 7;

/** DIRAC runs a job again that ends so (`EWMSRESC`, cut to one byte); a command that does so must not. */
const RESCHEDULE = 222;

/** In the directory of the command, as a container may see nothing else. */
const LONG_COMMAND = ".bartender-command";

/** Of each log, at most; they are only for when the output did not get to grid storage. */
const KEPT_LOG_BYTES = 1_000_000;
/** DIRAC takes these line by line, which costs it time. */
const SHOWN_LOG_BYTES = 100_000;

/**
 * The script that runs on a node of the grid, by any POSIX shell, with the GNU programs.
 *
 * - First it claims the attempt: it registers a file named after the tag in the job's directory, which the catalogue
 *   of files allows once. A second job of the same attempt (the answer of a submission was lost) and a second start of
 *   the same job (DIRAC has rescheduled it) find it there and end without running the command.
 * - The command runs in a directory of its own, so that what DIRAC keeps beside it is not taken for output.
 * - What the command made or changed is told by checksums, not by names, and goes to grid storage whatever its exit
 *   status is: DIRAC itself would store nothing of a failed job.
 * - What became of it all stands in a record, which DIRAC brings home with the logs. While the command runs these are
 *   links to its logs, so that they come home, too, when DIRAC kills the script.
 * - The exit status is 0 exactly when the command ended with 0 and its output is stored.
 */
export function diracScript(options: DiracScriptOptions): string {
  const { directory, tag, output, storageElement, retryS } = options;
  const facts = JSON.stringify({ tag, directory });
  return `#!/bin/sh
k=
trap k=1 TERM
case \${BASH_VERSION-} in ?*) set +o posix;; esac
w=$PWD
b=$w/.bartender
d=${shellQuote(directory)}
s=${shellQuote(storageElement)}
u=$d/${output}
t=${shellQuote(tag)}
n=\${DIRACJOBID:-0}
a=$b/record
nl='
'
${FUNCTIONS}
mkdir "$b" "$b/claims" "$w/job" || exit 3
printf '%s %s\\n' "$n" ${shellQuote(facts)} >"$a" || exit 3
ln -s "$w/job/stdout.txt" "$b/stdout.txt"
ln -s "$w/job/stderr.txt" "$b/stderr.txt"
echo "Bartender: $t runs in $d"

printf '%s %s %s\\n' "$n" "$(uname -n) $$" "$(date +%s)" >"$b/claim"
patiently ${retryS} claim || give_up claimed 'the attempt could not be claimed on grid storage'
[ "$o" = mine ] || { say "{\\"claimedBy\\":$o}"; echo "Bartender: job $o has run this attempt"; exit 4; }
patiently ${retryS} get_input || give_up fetched 'the input could not be fetched from grid storage'
cd "$w/job" || exit 3
tar -xof "$w/input.tar" || give_up fetched 'the input could not be unpacked'
rm -f "$w/input.tar"
rm -rf stdout.txt stderr.txt returncode
${commandArguments(options)}
contents before >"$b/before"
{
${runAndRecord('exec /bin/sh "$@"')}
} </dev/null >stdout.txt 3>stderr.txt 2>>"$a"

cd "$w/job" || exit 3
chmod -R u+rwX . 2>/dev/null
for f in stdout.txt stderr.txt; do
  rm -f "$b/$f"
  tail -c ${KEPT_LOG_BYTES} "$f" >"$b/$f"
done
show stdout.txt
show stderr.txt >&2
contents after >"$b/after"
# What sha256sum and the two other lists have escaped is what tar takes back.
{ LC_ALL=C comm -13 "$b/before" "$b/after" | sed 's/^[^ ]*  //'; } >"$b/changed"
tar -cf "$w/output.tar" --format=gnu --no-recursion --hard-dereference -T "$b/changed"
[ $? -le 1 ] || give_up stored 'the output could not be packed'
patiently ${retryS} put_output || give_up stored 'the output could not be stored on grid storage'
say '{"stored":true}'
[ "$r" -ge 0 ] || r=$((128 - r))
[ "$r" != ${RESCHEDULE} ] || r=1
exit "$r"
`;
}

/**
 * The functions of the script. The output gets a GUID of its own: DIRAC makes one from the content, and a catalogue may
 * refuse equal ones. `$o` is the answer of `claim`: `mine`, or the number of the job that was first.
 *
 * `contents` lists regular files with their checksums, directories by name and, when the command has ended, links; in
 * the order of comm(1).
 */
const FUNCTIONS = `say() { printf '%s\\n' "$1" >>"$a"; }
give_up() {
  say "{\\"$1\\":false,\\"problem\\":\\"$2\\"}"
  echo "Bartender: $2"
  [ ! -s "$b/log" ] || tail -n 5 "$b/log"
  exit 3
}
patiently() {
  p=$1
  i=1
  until $2; do
    [ "$i" -lt ${TRIES} ] && [ -z "$k" ] || return 1
    sleep "$p"
    p=$((p * 2))
    i=$((i + 1))
  done
}
claim() {
  o=mine
  dirac-dms-add-file "$d/$t" "$b/claim" "$s" >"$b/log" 2>&1 && return 0
  rm -f "$b/claims/$t"
  (cd "$b/claims" && dirac-dms-get-file "$d/$t") >>"$b/log" 2>&1 || return 1
  [ -f "$b/claims/$t" ] || return 1
  cmp -s "$b/claim" "$b/claims/$t" && return 0
  read -r o rest <"$b/claims/$t"
  case $o in "" | *[!0-9]*) return 1;; esac
}
get_input() {
  [ -f "$w/input.tar" ] && return 0
  (cd "$w" && dirac-dms-get-file "$d/input.tar") >"$b/log" 2>&1 && [ -f "$w/input.tar" ]
}
put_output() {
  g=$(printf '%s' "$d $t" | cat - "$b/claim" | sha256sum | sed 's/^\\(.\\{8\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)\\(.\\{12\\}\\).*/\\1-\\2-\\3-\\4-\\5/')
  dirac-dms-add-file -f "$u" "$w/output.tar" "$s" "$g" >"$b/log" 2>&1
}
contents() {
  {
    find . -type f -exec sha256sum -- {} + 2>/dev/null | sed 's/^\\\\//'
    [ "$1" = before ] || find . -type l ! -name "*$nl*" ! -path "*$nl*" | sed 's/\\\\/\\\\\\\\/g; s/^/link  /'
    find . -type d ! -name . ! -name "*$nl*" ! -path "*$nl*" | sed 's/\\\\/\\\\\\\\/g; s/^/directory  /'
  } | LC_ALL=C sort
}
show() {
  [ -s "$1" ] || return 0
  tail -c ${SHOWN_LOG_BYTES} "$1"
  echo
}
`;

/** Sets the arguments for the shell that runs the command; a command that is too long for one goes into a file. */
function commandArguments({ command, apptainerImage }: DiracScriptOptions): string {
  const lines = [`c=${shellQuote(command)}`];
  const isLong = Buffer.byteLength(command) > LONGEST_ARGUMENT_BYTES;
  if (isLong) lines.push(`printf '%s\\n' "$c" >${LONG_COMMAND} || exit 3`);
  if (apptainerImage === undefined) {
    lines.push(isLong ? `set -- ./${LONG_COMMAND}` : 'set -- -c -- "$c"');
  } else {
    // The container gets all of the command, for a shell of its own.
    const inner = `exec apptainer run ${shellQuote(apptainerImage)} /bin/sh`;
    lines.push(
      isLong
        ? `set -- -c ${shellQuote(`${inner} ./${LONG_COMMAND}`)}`
        : `set -- -c ${shellQuote(`${inner} -c "$1"`)} sh "$c"`,
    );
  }
  return lines.join("\n");
}
