import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type DiracServer, sharedDiracServer } from "../support/dirac_server.ts";
import { eventually } from "../support/eventually.ts";
import { GRID_PATIENCE_MS, startGridDaemon } from "../support/grid_daemon.ts";

setDefaultTimeout(2 * GRID_PATIENCE_MS);

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
}, GRID_PATIENCE_MS);

afterEach(() => server.repair());
afterAll(() => server.repair());

test("a waiting job is cancelled or deleted before it runs", async () => {
  await using grid = await startGridDaemon(server);
  await server.pilots.stop();
  const cancelled = await grid.submit();
  const deleted = await grid.submit();
  for (const id of [cancelled, deleted]) await grid.until(id, "queued");
  expect((await grid.daemon.call("POST", `/api/job/${cancelled}/cancel`)).status).toBeLessThan(300);
  expect((await grid.daemon.call("DELETE", `/api/job/${deleted}`)).status).toBe(204);
  expect(await grid.until(cancelled, "ok", "error")).toMatchObject({ state: "error", reason: "Cancelled by alice" });
  const isGone = async () => (await grid.daemon.call("GET", `/api/job/${deleted}`)).status === 404;
  await eventually("the job to go", isGone, GRID_PATIENCE_MS);
  await server.pilots.start();
  for (const id of [cancelled, deleted]) {
    await eventually("the grid's storage to be clean", () => grid.stored(id).length === 0, GRID_PATIENCE_MS);
    expect(grid.begun(id)).toEqual([]);
  }
});

test("services that stop and start again delay jobs and cost none", async () => {
  await using grid = await startGridDaemon(server);
  const running = await grid.submit({ wait: "yes" });
  await eventually("the command", () => grid.begun(running).length > 0, GRID_PATIENCE_MS);
  await Promise.all([server.services.jobManager.stop(), server.services.jobMonitoring.stop()]);
  const waiting = await grid.submit();
  const degraded = /"reason":"Destination \\"grid\\" is degraded: /;
  for (const id of [running, waiting]) {
    const told = async () => degraded.test(await grid.daemon.text(`/api/job/${id}`));
    await eventually("the reason", told, GRID_PATIENCE_MS);
  }
  grid.open();
  await Promise.all([server.services.jobManager.start(), server.services.jobMonitoring.start()]);
  for (const id of [running, waiting]) {
    expect(await grid.until(id, "ok", "error")).toMatchObject({ state: "ok", reason: null });
    expect(grid.begun(id)).toHaveLength(1);
  }
});

test("a storage element that is full or away delays jobs and costs none", async () => {
  await using grid = await startGridDaemon(server);
  const { storage } = server.services;
  const running = await grid.submit({ wait: "yes" });
  await eventually("the command", () => grid.begun(running).length > 0, GRID_PATIENCE_MS);
  await storage.stop();
  await storage.start("/Systems/DataManagement/Production/Services/StorageElementOne/MaxStorageSize=1");
  grid.open();
  const waiting = await grid.submit();
  await eventually(
    "the reason",
    async () => /Not enough disk space/.test(await grid.daemon.text(`/api/job/${waiting}`)),
    GRID_PATIENCE_MS,
  );
  await storage.stop();
  await storage.start();
  for (const id of [running, waiting]) {
    expect(await grid.until(id, "ok", "error")).toMatchObject({ state: "ok", reason: null });
    expect(grid.begun(id)).toHaveLength(1);
  }
});
