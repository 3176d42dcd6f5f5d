import { afterAll, beforeAll } from "bun:test";
import { schedulerSuite } from "../../../conformance/scheduler_suite.ts";
import { PATIENCE_MS } from "../../../conformance/scheduler_world.ts";
import { type DiracServer, sharedDiracServer } from "../../../support/dirac_server.ts";
import { makeUserDirectory, openDiracWorld } from "./dirac_world.ts";

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
  await makeUserDirectory(server);
}, PATIENCE_MS);

afterAll(async () => {
  await server.repair();
}, PATIENCE_MS);

const NO_PUSH = "DIRAC tells nothing by itself; it is asked";
const KILLED =
  "DIRAC ends the script together with its command, by SIGKILL, so nobody is left to write a return code down";

/** Each of these takes its part of a minute on the grid, and differs from others by a number only. */
const SAME_WITH_OTHER_NUMBERS = [
  ...[2, 127, 137, 143, 255].map((status) => `a command that exits with ${status} is not ok and leaves that number`),
  ...[15, 11, 6, 1].map((number) => `a command that is ended by signal ${number} leaves the negative number`),
];
const leftOut = process.env.BARTENDER_DIRAC === "all" ? [] : SAME_WITH_OTHER_NUMBERS;

schedulerSuite("dirac", () => openDiracWorld(server), {
  startsWithinMs: 300_000,
  isConcurrent: true,
  waivers: {
    ...Object.fromEntries(
      leftOut.map((sentence) => [sentence, "kept with another number; BARTENDER_DIRAC=all keeps all"]),
    ),
    "a command runs in its directory, whatever that is called":
      "a directory of the grid is not one of a node, where the command runs",
    "submit() refuses a directory that is not there, and leaves nothing":
      "DIRAC looks for the input when it has taken the job, which then fails with that reason",
    "after a refusal the same tag can be submitted": "see dirac_submit.test.ts, with a directory that is refused",
    "cancel() resolves when nothing of the job runs": `${KILLED}; see dirac_cancel.test.ts`,
    "cancel() ends a command that ignores SIGTERM": `${KILLED}; see dirac_cancel.test.ts`,
    "cancel() leaves time to a command that cleans up on SIGTERM": KILLED,
    "the next daemon can cancel": `${KILLED}; see dirac_cancel.test.ts`,
    "listen() tells once of the start and once of the end, after submit() has answered": NO_PUSH,
    "listen() tells of commands that end at once": NO_PUSH,
    "listen() tells of a cancelled job only when nothing of it runs": NO_PUSH,
    "a listener that has left hears nothing more": NO_PUSH,
    "the next daemon hears the end of a job of the one before": NO_PUSH,
    "after forget() the tag of an ended job is not found; on a running job forget() does nothing":
      "DIRAC keeps ended jobs until it cleans up, and the tag can be looked up as long",
  },
});
