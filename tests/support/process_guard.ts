import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";

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
  const guard = spawn(process.execPath, [import.meta.path, directory], {
    // A group of its own: an interrupt from the terminal reaches all processes of the group of the tests.
    detached: true,
    stdio: ["pipe", "ignore", "inherit"],
  });
  return { close: () => closed(guard) };
}

async function closed(guard: ChildProcess): Promise<void> {
  if (guard.exitCode === null && guard.signalCode === null) {
    const ended = new Promise((resolve) => guard.once("exit", resolve));
    guard.stdin?.end();
    await ended;
  }
  if (guard.exitCode !== 0) throw new Error(`The guard of processes ended with status ${guard.exitCode}`);
}

function killAll(directory: string): number {
  let found = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // Empty for processes that have ended and are not waited for.
      if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(directory)) continue;
      found++;
      process.kill(Number(name), "SIGKILL");
    } catch {
      // Ended since it was listed, or of another account.
    }
  }
  return found;
}

if (import.meta.main) {
  const directory = process.argv[2] ?? "";
  if (!directory.startsWith("/") || directory.length < 10) throw new Error(`Not a directory of a test: ${directory}`);
  for await (const _ of Bun.stdin.stream()) {
    // Nothing is ever written; the end is what counts.
  }
  while (killAll(directory) > 0) await Bun.sleep(20);
  rmSync(directory, { recursive: true, force: true });
}
