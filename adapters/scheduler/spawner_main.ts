/* What the thread of a `spawnerThread` runs: it starts what it is told to, and says what becomes of it. */
import { spawn } from "node:child_process";
import { parentPort } from "node:worker_threads";
import { messageOf } from "../../src/core/errors.ts";
import { codeOf } from "./process_table.ts";
import type { SpawnerNews, SpawnerOrder } from "./spawner.ts";

parentPort?.on("message", (order: SpawnerOrder) => {
  const { number } = order;
  const fail = (error: unknown): void =>
    tell({ number, type: "failed", message: messageOf(error), code: codeOf(error) || undefined });
  try {
    const { path, args, directory, environment } = order;
    const child = spawn(path, args, { cwd: directory, env: environment, stdio: "ignore", detached: true });
    if (child.pid === undefined) {
      child.once("error", fail);
      return;
    }
    tell({ number, type: "started", pid: child.pid });
    child.once("exit", (status, signal) => tell({ number, type: "exited", status, signal }));
  } catch (error) {
    fail(error);
  }
});

function tell(news: SpawnerNews): void {
  parentPort?.postMessage(news);
}
