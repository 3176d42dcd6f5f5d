import { expect, test } from "bun:test";
import { leaseWatch } from "../../../../adapters/scheduler/redis/lease_watch.ts";

const LEASE_MS = 30_000;
const LOOK_MS = 2_000;

/** A daemon that looks at a server every two seconds of its own clock. */
function setup() {
  const watch = leaseWatch(LEASE_MS);
  let nowMs = 0;
  /** Looks until `untilMs`. @returns when `performer` was first found lost */
  const lookUntil = (untilMs: number, until: (atMs: number) => string, server = "first"): number | undefined => {
    for (; nowMs < untilMs; nowMs += LOOK_MS) {
      const sight = { server, leases: [{ performer: "p", until: until(nowMs) }] };
      if (watch.look(sight, nowMs, nowMs).length > 0) return nowMs;
    }
    return undefined;
  };
  const pause = (ms: number): void => {
    nowMs += ms;
  };
  return { lookUntil, pause };
}

test("a performer is lost when its lease has stayed the same for as long as it lasts", () => {
  const { lookUntil } = setup();
  expect(lookUntil(100_000, () => "7")).toBe(LEASE_MS);
});

test("a performer that renews its lease is never lost, whatever the clock of the server says", () => {
  const { lookUntil } = setup();
  expect(lookUntil(300_000, (atMs) => String(1_000_000 - Math.floor(atMs / 5_000)))).toBeUndefined();
});

test("a performer is given the whole time again when the server is another one", () => {
  const { lookUntil } = setup();
  expect(lookUntil(20_000, () => "7")).toBeUndefined();
  expect(lookUntil(100_000, () => "7", "second")).toBe(20_000 + LEASE_MS);
});

test("a performer is given the whole time again after a quarter of it in which the server took no changes", () => {
  for (const [gapMs, lostAtMs] of [
    [LEASE_MS / 4 - LOOK_MS, LEASE_MS],
    [LEASE_MS / 4, 20_000 + LEASE_MS / 4 + LEASE_MS],
  ] as const) {
    const { lookUntil, pause } = setup();
    expect(lookUntil(20_000, () => "7")).toBeUndefined();
    pause(gapMs);
    const foundAtMs = lookUntil(100_000, () => "7") ?? 0;
    expect(foundAtMs).toBeGreaterThanOrEqual(lostAtMs);
    expect(foundAtMs).toBeLessThan(lostAtMs + LOOK_MS);
  }
});

test("a performer that has gone is not lost", () => {
  const watch = leaseWatch(LEASE_MS);
  watch.look({ server: "first", leases: [{ performer: "p", until: "7" }] }, 0, 0);
  for (let nowMs = LOOK_MS; nowMs < 2 * LEASE_MS; nowMs += LOOK_MS) {
    expect(watch.look({ server: "first", leases: [] }, nowMs, nowMs)).toEqual([]);
  }
});
