import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";

/** Sees to it that nothing of a server outlives the tests, however they end. */
export interface ProcessGuard {
  /** Ends all processes of the directory and removes it. */
  close(): Promise<void>;
}

/**
 * Watches over a directory from a process of its own. When this process has ended, even by SIGKILL, or closes the guard,
 * all processes are killed that have the directory in their environment, and the directory is removed.
 *
 * @param directory absolute, of this test alone; to be in an environment variable of every process that is started
 */
export function startProcessGuard(directory: string): ProcessGuard {
  const guard = startGuard("directory", directory);
  return { close: () => closed(guard) };
}

/**
 * Watches over everything that tests of this process start: when it has ended, even by SIGKILL, all processes are killed
 * that have a directory of its tests in their environment or their arguments, or work in one. Directories stay, as other
 * file systems may be mounted in them.
 *
 * @param prefix how the paths of the directories begin, of this process alone
 */
export function startRunGuard(prefix: string): void {
  startGuard("run", prefix).unref();
}

function startGuard(what: "directory" | "run", path: string): ChildProcess {
  return spawn(process.execPath, [import.meta.path, what, path], {
    // A group of its own: an interrupt from the terminal reaches all processes of the group of the tests.
    detached: true,
    stdio: ["pipe", "ignore", "inherit"],
  });
}

async function closed(guard: ChildProcess): Promise<void> {
  if (guard.exitCode === null && guard.signalCode === null) {
    const ended = new Promise((resolve) => guard.once("exit", resolve));
    guard.stdin?.end();
    await ended;
  }
  if (guard.exitCode !== 0) throw new Error(`The guard of processes ended with status ${guard.exitCode}`);
}

/** @returns the command lines of the processes that were killed */
function killAll(isOurs: (pid: string) => boolean): readonly string[] {
  const killed: string[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!isOurs(name)) continue;
      killed.push(read(name, "cmdline").replaceAll("\0", " ").trim());
      process.kill(Number(name), "SIGKILL");
    } catch {
      // Ended since it was listed, or of another account.
    }
  }
  return killed;
}

/** Empty for processes that have ended and are not waited for. */
function read(pid: string, file: "environ" | "cmdline"): string {
  return readFileSync(`/proc/${pid}/${file}`, "latin1");
}

const hasInEnvironment = (path: string) => (pid: string) => read(pid, "environ").includes(path);

/** Guards have their directory as an argument, and end by themselves. */
const isOfRun = (prefix: string) => (pid: string) =>
  !read(pid, "cmdline").includes(import.meta.path) &&
  (hasInEnvironment(prefix)(pid) ||
    read(pid, "cmdline").includes(prefix) ||
    readlinkSync(`/proc/${pid}/cwd`).startsWith(prefix));

if (import.meta.main) {
  const [what, path = ""] = process.argv.slice(2);
  if (!path.startsWith("/") || path.length < 10) throw new Error(`Not a directory of a test: ${path}`);
  for await (const _ of Bun.stdin.stream()) {
    // Nothing is ever written; the end is what counts.
  }
  if (what === "run") {
    for (let killed = killAll(isOfRun(path)); killed.length > 0; killed = killAll(isOfRun(path))) {
      for (const line of new Set(killed)) console.error(`Left behind by tests and ended: ${line.slice(0, 200)}`);
      await Bun.sleep(100);
    }
  } else {
    while (killAll(hasInEnvironment(path)).length > 0) await Bun.sleep(20);
    rmSync(path, { recursive: true, force: true });
  }
}
