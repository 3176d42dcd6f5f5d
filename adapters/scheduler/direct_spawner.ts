import { spawn } from "node:child_process";
import type { Child, ChildEnd, Spawner } from "./spawner.ts";

/** Starts processes on the calling thread, which stands still until the new program is there. */
export function directSpawner(): Spawner {
  let isClosed = false;
  return {
    spawn: ({ path, args, directory, environment }) =>
      new Promise<Child>((resolve, reject) => {
        if (isClosed) throw new Error("The spawner is closed");
        const child = spawn(path, args, { cwd: directory, env: environment, stdio: "ignore", detached: true });
        child.once("error", reject);
        if (child.pid === undefined) return;
        // It outlives us, and is collected for as long as we are there.
        child.unref();
        const ended = new Promise<ChildEnd>((tell) =>
          child.once("exit", (status, signal) => tell({ type: "exited", status, signal })),
        );
        resolve({ pid: child.pid, ended });
      }),
    close() {
      isClosed = true;
    },
  };
}
