import type { Clock } from "../../src/ports/clock.ts";
import type { RemoteProcess } from "./remote_process.ts";
import { scriptLine } from "./remote_script.ts";
import type { SshConnection } from "./ssh_connection.ts";

/** What is to be ended on another host. */
export interface RemoteEnding {
  readonly connection: SshConnection;
  readonly process: RemoteProcess;
  /** `NAME=value` in the environment of all its processes. */
  readonly variable: string;
  /** Number of its first process, which leads a process group; undefined when it is not known. */
  readonly pid: number | undefined;
  /** Time between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** How often the host looks whether something still lives, per second. */
const LOOKS_PER_SECOND = 10;
const LOOKS_AFTER_KILL = 50;

/**
 * Ends all processes of a command: those that carry the variable, wherever they went, and its process group. Where the
 * host has no `/proc` or opens no further session, the SSH server is asked to signal the process group.
 */
export async function endRemoteProcesses(ending: RemoteEnding): Promise<void> {
  const { connection, process, graceMs, clock } = ending;
  try {
    const killer = await connection.execNow(scriptLine(killScript(ending)));
    killer.stdin.end();
    killer.stdout.resume();
    killer.stderr.resume();
    const end = await killer.closed;
    if (end.type === "exited" && end.status === 0) return;
  } catch {
    // Neither is there another session to be had; the SSH server can still be asked.
  }
  process.signal("TERM");
  const hasEnded = await Promise.race([
    process.closed.then(() => true),
    new Promise<boolean>((resolve) => clock.after(graceMs, () => resolve(false))),
  ]);
  if (!hasEnded) process.signal("KILL");
}

/** Signals and looks again until nothing lives. Exit status 0 then, 1 when something does not end. */
function killScript({ variable, pid, graceMs }: RemoteEnding): string {
  const grace = Math.ceil((graceMs / 1000) * LOOKS_PER_SECOND);
  return [
    "[ -r /proc/self/environ ] || exit 1",
    "i=0",
    `q=${pid ?? ""}`,
    "s=TERM",
    "while :",
    `do p=$(grep -ls ${variable} /proc/[0-9]*/environ 2>/dev/null | sed 's|/proc/||;s|/environ||')`,
    // A process shows no environment while it becomes another program; its group still counts.
    `[ $i -gt 0 ] || q="$q $p"`,
    `for g in $q; do kill -s 0 -- -$g 2>/dev/null && p="$p -$g"; done`,
    `p=$(echo $p); [ -n "$p" ] || exit 0`,
    `[ $i -lt ${grace} ] || s=KILL`,
    `[ $i -lt ${grace + LOOKS_AFTER_KILL} ] || exit 1`,
    // A stopped process sees a signal only when it goes on.
    `[ $i -gt 0 ] && [ $s = TERM ] || { kill -s $s -- $p; kill -s CONT -- $p; } 2>/dev/null`,
    "i=$((i+1))",
    `sleep ${1 / LOOKS_PER_SECOND} 2>/dev/null || sleep 1`,
    "done",
  ].join("; ");
}
