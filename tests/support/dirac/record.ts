import { startDiracServer } from "../dirac_server.ts";
import { recordFiles } from "./record_files.ts";
import { recordJobs } from "./record_jobs.ts";
import { recordOutages } from "./record_outages.ts";
import { recordProxies } from "./record_proxies.ts";
import { startRecorder } from "./recorder.ts";

// Makes the recordings again: bun tests/support/dirac/record.ts [proxies|jobs|files|outages]...
const PARTS = { proxies: recordProxies, jobs: recordJobs, files: recordFiles, outages: recordOutages };

if (import.meta.main) {
  const wanted = process.argv.slice(2);
  const server = await startDiracServer();
  try {
    const recorder = startRecorder(server);
    for (const [name, record] of Object.entries(PARTS)) {
      if (wanted.length === 0 || wanted.includes(name)) await record(server, recorder);
    }
  } finally {
    await server.close();
  }
}
