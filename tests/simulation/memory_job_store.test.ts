import { jobStoreSuite } from "../conformance/job_store_suite.ts";
import { MemoryJobStore } from "./memory_job_store.ts";

let stores = 0;

jobStoreSuite("the simulated table", async () => {
  stores += 1;
  const store = new MemoryJobStore(`simulated${stores}`);
  return { store, [Symbol.asyncDispose]: () => store.close() };
});
