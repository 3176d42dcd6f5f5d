/* What the thread of a `spawnerThread` runs, with a fault: it ends when it is to start `fault`. */
import { parentPort } from "node:worker_threads";
import type { SpawnerOrder } from "../../../adapters/scheduler/spawner.ts";

if (parentPort === null) throw new Error("Only for a thread");
const on = parentPort.on.bind(parentPort);
parentPort.on = ((name: string, listener: (order: SpawnerOrder) => void) =>
  on(name, (order: SpawnerOrder) => {
    if (order.path === "fault") throw new Error("planted fault");
    listener(order);
  })) as typeof parentPort.on;
await import("../../../adapters/scheduler/spawner_main.ts");
