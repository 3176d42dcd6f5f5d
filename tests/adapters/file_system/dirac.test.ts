import { afterAll, beforeAll, setDefaultTimeout } from "bun:test";
import { fileSystemSuite } from "../../conformance/file_system_suite.ts";
import { type DiracServer, sharedDiracServer } from "../../support/dirac_server.ts";
import { diracFilesWorld } from "./dirac_world.ts";

// Each command of DIRAC takes seconds on a busy machine.
setDefaultTimeout(600_000);

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
});

afterAll(async () => {
  await server.repair();
});

fileSystemSuite("dirac", () => diracFilesWorld(server), {
  "upload() and download() may be repeated": "where no job ran there is no output; see dirac_transfers.test.ts",
});
