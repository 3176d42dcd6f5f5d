import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { freshTag, jobIn, PATIENCE_MS, signal, untilEnded } from "../../../conformance/scheduler_world.ts";
import { DIRAC_NAMES, type DiracServer, sharedDiracServer } from "../../../support/dirac_server.ts";
import { eventually } from "../../../support/eventually.ts";
import { type DiracWorldOptions, makeUserDirectory, openDiracWorld } from "./dirac_world.ts";

setDefaultTimeout(2 * PATIENCE_MS);

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
  await makeUserDirectory(server);
}, PATIENCE_MS);

afterEach(() => server.repair());
afterAll(() => server.repair());

/** A job with the settings of a destination, just submitted. */
async function submitted(scheduler: NonNullable<DiracWorldOptions["scheduler"]>, command = "true") {
  const world = await openDiracWorld(server, { scheduler });
  const id = await world.scheduler.submit(jobIn(await world.makeDirectory(), command), freshTag(), signal);
  return { world, id, number: id.split("@")[0] };
}

test("sites, platform, tags and processors of a destination decide which computers get its jobs", async () => {
  const { site } = DIRAC_NAMES;
  const picky = await submitted({
    ...{ sites: [site], bannedSites: ["DIRAC.Slow.nl"], platform: "x86_64_el9" },
    ...{ tags: ["gpu"], processors: 2, cpuTimeS: 3_600 },
  });
  const content = await submitted({ sites: [site], cpuTimeS: 3_600 });
  const nowhere = await submitted({ bannedSites: [site] });
  try {
    expect(await untilEnded(content.world.scheduler, content.id)).toMatchObject({ isOk: true });
    expect(await untilEnded(nowhere.world.scheduler, nowhere.id)).toMatchObject({
      isOk: false,
      reason: expect.stringContaining("Impossible InputData * Site requirements"),
    });
    // All computers here lack the tag.
    const { scheduler } = picky.world;
    const status = () => server.sql(`select Status from JobDB.Jobs where JobID = ${picky.number}`).trim();
    await eventually("the queue", () => status() === "Waiting", PATIENCE_MS);
    expect((await scheduler.statuses([picky.id], signal)).get(picky.id)).toEqual({ type: "queued" });
    const wanted = (table: string): readonly string[] =>
      server
        .sql(
          `select Value from TaskQueueDB.tq_TQTo${table} join TaskQueueDB.tq_Jobs using (TQId) where JobId = ${picky.number}`,
        )
        .trim()
        .split("\n")
        .toSorted();
    expect(["Sites", "BannedSites", "Platforms", "Tags"].map(wanted)).toEqual([
      [site],
      ["DIRAC.Slow.nl"],
      ["x86_64_el9"],
      ["2Processors", "MultiProcessor", "gpu"],
    ]);
    await scheduler.cancel(picky.id, signal);
  } finally {
    for (const { world } of [picky, content, nowhere]) await world[Symbol.asyncDispose]();
  }
});
