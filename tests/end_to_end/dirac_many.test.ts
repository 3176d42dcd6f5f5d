import { afterAll, beforeAll, expect, test } from "bun:test";
import { type DiracServer, sharedDiracServer } from "../support/dirac_server.ts";
import { eventually } from "../support/eventually.ts";
import { GRID_PATIENCE_MS, startGridDaemon } from "../support/grid_daemon.ts";

/** For the computers of the test grid, which run eight at a time. */
const JOBS = 30;
const PATIENCE_MS = 3 * GRID_PATIENCE_MS;

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
}, GRID_PATIENCE_MS);

afterAll(() => server.repair());

test(
  `${JOBS} jobs at once come to their ends, each once, with its own output`,
  async () => {
    await using grid = await startGridDaemon(server);
    const ids = await Promise.all(Array.from({ length: JOBS }, (_, n) => grid.submit({ text: `job ${n}` })));
    for (const [n, id] of ids.entries()) {
      const isOver = async (): Promise<boolean> => ["ok", "error"].includes((await grid.daemon.job(id)).state);
      await eventually(`the end of job ${id}`, isOver, PATIENCE_MS);
      expect(await grid.daemon.job(id)).toMatchObject({ state: "ok", returncode: 0 });
      expect(await grid.daemon.text(`/api/job/${id}/files/said.txt`)).toBe(`job ${n}\n`);
      expect(grid.begun(id)).toHaveLength(1);
    }
  },
  PATIENCE_MS + GRID_PATIENCE_MS,
);
