import { describe, expect, test } from "bun:test";
import { harmlessLines, paint, wrapped } from "../../src/console/paint.ts";
import { showStatus } from "../../src/console/show_status.ts";
import type { DaemonStatus, DestinationStatus, PartStatus } from "../../src/ports/admin_service.ts";

const FINE: PartStatus = { isHealthy: true, sinceOnMs: null, nextTryOnMs: null, lastFault: null, waiting: 0 };
const CLUSTER: DestinationStatus = {
  ...{ name: "cluster", mode: "open", modeBy: null, modeOnMs: null, credential: null },
  ...{ scheduler: FINE, fileSystem: FINE, slots: { capacity: 4, held: 1, waiting: 2 } },
  ...{ copies: { running: 0, waiting: 0 }, poll: { jobs: 1, nextOnMs: 65_000 } },
  phases: [
    { phase: "waiting", count: 2 },
    { phase: "running", count: 1 },
  ],
};
const STATUS: DaemonStatus = {
  ...{
    version: "1",
    runtime: "Bun",
    pid: 7,
    startedOnMs: 0,
    nowOnMs: 60_000,
    load: 1,
    cpus: 2,
    memoryBytes: 1_048_576,
  },
  ...{ database: { name: "sqlite:x.db", latencyMs: 1, fault: null }, destinations: [CLUSTER], unplaced: 0 },
  ...{ actors: 9, restarts: 0, lastCrash: null },
};

function shown(change: Partial<DaemonStatus>, columns?: number): string {
  return showStatus({ ...STATUS, ...change }, paint(false), columns);
}

describe("the status", () => {
  test("says that all is well, and what was not", () => {
    expect(shown({})).toMatch(/cluster +open +healthy +1\/4 +2 +1 +0 +in 5 s\n\nEverything is well\.\n$/);
    const lastFault = { message: "Connection\u001b[2J refused", onMs: 0 };
    expect(shown({ destinations: [{ ...CLUSTER, scheduler: { ...FINE, lastFault } }] })).toEndWith(
      "Everything is well.\ncluster: last fault of its scheduler, 1 min ago: Connection\ufffd[2J refused\n",
    );
  });

  test("breaks what is wrong between words, so that nothing of it is cut off", () => {
    const lastFault = { message: "squeue could not be run: Cannot connect to lab@head", onMs: 0 };
    const scheduler = { ...FINE, isHealthy: false, sinceOnMs: 0, nextTryOnMs: 61_000, lastFault };
    const text = shown({ destinations: [{ ...CLUSTER, scheduler }] }, 60);
    expect(text).toEndWith(`
! cluster: its scheduler has not answered for 1 min: squeue
  could not be run: Cannot connect to lab@head (next try
  in 1 s)
`);
  });

  test("does not count jobs as none when the database does not answer", () => {
    const database = { name: "sqlite:x.db", latencyMs: null, fault: "it is locked" };
    expect(shown({ database, destinations: [{ ...CLUSTER, phases: [] }] })).toMatch(/1\/4 +\? +\? +\? /);
  });
});

test("a paragraph is broken where it is too wide, and a long word is left whole", () => {
  expect(wrapped("one two three", Number.POSITIVE_INFINITY)).toBe("one two three");
  expect(wrapped("one two three", 7)).toBe("one two\nthree");
  expect(wrapped("one incomprehensible two", 7, "  ")).toBe("one\n  incomprehensible\n  two");
});

test("what a command has printed cannot steer the terminal of the administrator", () => {
  const esc = "\u001b";
  expect(harmlessLines(`a\tb\r\n${esc}[1;31mred${esc}[0m\n10%\r20%\n${esc}]0;title\u0007${esc}[2J`)).toBe(
    "a\tb\nred\n10%\n20%\n\ufffd]0;title\ufffd\ufffd[2J",
  );
  expect(harmlessLines("\u009b2J é 漢")).toBe("\ufffd2J é 漢");
});
