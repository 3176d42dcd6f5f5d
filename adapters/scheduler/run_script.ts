import { shellQuote } from "../../src/core/shell_quote.ts";

/**
 * The part of a script that runs a command and writes its exit status down.
 *
 * Before it, `$a` is the record of the attempt with its first line, standard error goes there, descriptor 3 is the
 * command's standard error, and `$k` is filled when SIGTERM has arrived.
 * After it, `$r` is the exit status, negative for a signal.
 *
 * @param run what to do in a process of its own
 */
export function runAndRecord(run: string): string {
  return `r=-15
if [ -z "$k" ]; then
  (${run} 2>&3 3>&-)
  r=$?
fi
if [ "$r" -gt 128 ]; then
  { read -r l; while read -r l; do
    case $l in "{"*) ;; ?*) r=$((128 - r)); break;; esac
  done; } <"$a"
fi
if [ -e returncode ] || [ -L returncode ]; then
  /bin/rm -rf returncode
fi
until printf %s "$r" >returncode; do
  [ -z "$k" ] && [ -f returncode ] && [ ! -s returncode ] || exit 3
  /bin/sleep 1
  /bin/rm -f returncode
done
printf '{"returnCode":%s}\n' "$r" >&2 || exit 3`;
}

/**
 * Runs one command and leaves its exit status in `returncode`, also when the daemon is gone by then. For every POSIX
 * shell; tried with dash, bash and busybox. Everything on the usual way is built into the shell: each program more
 * would cost half a millisecond per job.
 *
 * Arguments: the attempt's record, the text for its first line after the pid, then the command as program and
 * arguments. Works in the job's directory, with standard input at `/dev/null`.
 *
 * Its own status is 0 exactly when `0` is in `returncode` and in the record.
 *
 * - The record is made exclusively and before anything else, so that the command of an attempt runs once at most.
 * - SIGTERM is sent to the whole process group. The script has to outlive it to write the status, and the command
 *   must not inherit that it is ignored; hence a trap, which the shell takes back in the subshell.
 * - The subshell has redirections of its own, so that the shell's notice of a death by signal ("Killed") goes to the
 *   record. That notice tells status 137 of `kill -9` from that of `exit 137`. Shells say nothing about SIGINT and
 *   SIGPIPE, so 130 and 141 always count as exit statuses. Bash in POSIX mode says nothing at all, so that mode is left.
 * - A `returncode` that was made but stayed empty means that the disk is full. The end of the command is told when
 *   there is space again; whatever else is in the way does not go by itself.
 */
export const RUN_SCRIPT = scriptThatDoes('exec "$@"');

/** The same for a command that is a program with plain arguments: the shell of the script knows what to do with them. */
export const RUN_PLAIN_SCRIPT = scriptThatDoes('"$@"');

function scriptThatDoes(run: string): string {
  return `k=
trap k=1 TERM
case \${BASH_VERSION-} in ?*) set +o posix;; esac
set -C
printf '%s %s\\n' "$$" "$2" >"$1" || exit 3
exec 2>>"$1"
if [ -e stdout.txt ] || [ -L stdout.txt ] || [ -e stderr.txt ] || [ -L stderr.txt ] ||
  [ -e returncode ] || [ -L returncode ]; then
  /bin/rm -rf stdout.txt stderr.txt returncode
fi
exec >stdout.txt 3>stderr.txt || exit 3
a=$1
shift 2
${runAndRecord(run)}
[ "$r" = 0 ]`;
}

/** One program or builtin with arguments, in which no shell would find anything to expand. */
const PLAIN_COMMAND = /^ *[\w./][\w@%+:,./-]*( +[\w@%+=:,./-]+)* *$/;

/** Words that begin something else, or have to do with the shell itself, which should not be that of the script. */
const WORDS_OF_SHELLS = new Set(
  (
    ". alias bg break builtin caller case command compgen complete continue coproc declare dirs disown do done elif else " +
    "enable esac eval exec export fc fg fi for function getopts hash help history if in jobs let local logout mapfile " +
    "popd pushd read readarray readonly return select set shift shopt source suspend then time times trap type typeset " +
    "ulimit umask unalias unset until wait while"
  ).split(" "),
);

/** The words of a command for which no shell of its own is needed: to start one costs half a millisecond. */
function plainWords(command: string): readonly string[] | undefined {
  if (!PLAIN_COMMAND.test(command)) return undefined;
  const words = command.trim().split(/ +/);
  return WORDS_OF_SHELLS.has(words[0] ?? "") ? undefined : words;
}

/** One argument of a program may have 128 KiB (`MAX_ARG_STRLEN` of `execve(2)`); the rest is for good measure. */
export const LONGEST_ARGUMENT_BYTES = 100_000;

/**
 * Arguments for `/bin/sh` that run `command`, or the file `scriptPath` when the command is too long for an argument.
 *
 * @param groupFile `cgroup.procs` of the control group to join, if there is one
 * @param sandbox program and first arguments under which the command runs; empty: none
 */
export function runArguments(
  recordPath: string,
  recordText: string,
  command: string,
  scriptPath: string | undefined,
  groupFile: string | undefined,
  sandbox: readonly string[],
): string[] {
  const words = scriptPath === undefined && sandbox.length === 0 ? plainWords(command) : undefined;
  const script = words === undefined ? RUN_SCRIPT : RUN_PLAIN_SCRIPT;
  const inShell = () => [...sandbox, "/bin/sh", ...(scriptPath === undefined ? ["-c", "--", command] : [scriptPath])];
  // Before anything is started. A group that is gone by now is not needed: processes are marked besides.
  const join = groupFile === undefined ? "" : `{ echo $$ >${shellQuote(groupFile)}; } 2>/dev/null\n`;
  return ["-c", join + script, "/bin/sh", recordPath, recordText, ...(words ?? inShell())];
}
