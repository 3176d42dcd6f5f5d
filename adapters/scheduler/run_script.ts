/**
 * Runs one command and leaves its exit status in `returncode`, also when the daemon is gone by then. For every POSIX
 * shell; tried with dash, bash and busybox. Everything on the usual way is built into the shell: each program more
 * would cost half a millisecond per job.
 *
 * Arguments: the attempt's record, the text for its first line after the pid, then the arguments for the shell that
 * runs the command. Works in the job's directory, with standard input at `/dev/null`.
 *
 * Its own status is 0 exactly when `0` is in `returncode` and in the record.
 *
 * - The record is made exclusively and before anything else, so that the command of an attempt runs once at most.
 * - SIGTERM is sent to the whole process group. The script has to outlive it to write the status, and the command
 *   must not inherit that it is ignored; hence a trap, which the shell takes back in the subshell.
 * - The subshell has redirections of its own, so that the shell's notice of a death by signal ("Killed") goes to the
 *   record. That notice tells status 137 of `kill -9` from that of `exit 137`. Shells say nothing about SIGINT and
 *   SIGPIPE, so 130 and 141 always count as exit statuses. Bash in POSIX mode says nothing at all, so that mode is left.
 */
export const RUN_SCRIPT = `k=
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
r=-15
if [ -z "$k" ]; then
  (exec /bin/sh "$@" 2>&3 3>&-)
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
printf %s "$r" >returncode && printf '{"returnCode":%s}\n' "$r" >&2 || exit 3
[ "$r" = 0 ]`;

/** One argument of a program may have 128 KiB (`MAX_ARG_STRLEN` of `execve(2)`); the rest is for good measure. */
export const LONGEST_ARGUMENT_BYTES = 100_000;

/** Arguments for `/bin/sh` that run `command`, or the file `scriptPath` when the command is too long for an argument. */
export function runArguments(
  recordPath: string,
  recordText: string,
  command: string,
  scriptPath: string | undefined,
): string[] {
  const inner = scriptPath === undefined ? ["-c", "--", command] : [scriptPath];
  return ["-c", RUN_SCRIPT, "sh", recordPath, recordText, ...inner];
}
