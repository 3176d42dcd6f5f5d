/* What the thread of a `spawnerThread` runs: it starts what it is told to, and says what becomes of it. */
import { parentPort } from "node:worker_threads";
import { messageOf } from "../../src/core/errors.ts";
import { directSpawner } from "./direct_spawner.ts";
import { codeOf } from "./process_table.ts";
import type { SpawnerNews, SpawnerOrder } from "./spawner.ts";

const spawner = directSpawner();

parentPort?.on("message", (order: SpawnerOrder) => void run(order));

async function run({ number, ...program }: SpawnerOrder): Promise<void> {
  try {
    const { pid, ended } = await spawner.spawn(program);
    tell({ number, type: "started", pid });
    tell({ number, type: "ended", end: await ended });
  } catch (error) {
    tell({ number, type: "failed", message: messageOf(error), code: codeOf(error) || undefined });
  }
}

function tell(news: SpawnerNews): void {
  parentPort?.postMessage(news);
}
