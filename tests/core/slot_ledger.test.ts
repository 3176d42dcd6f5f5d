import { describe, expect, test } from "bun:test";
import { assert, constantFrom, integer, array as listOf, property, record } from "fast-check";
import { type JobId, jobId } from "../../src/core/ids.ts";
import { SlotLedger } from "../../src/core/slot_ledger.ts";

const ids = (...numbers: number[]): JobId[] => numbers.map(jobId);

describe("SlotLedger", () => {
  test("grants no more slots than it has", () => {
    const ledger = new SlotLedger(2);
    for (const id of ids(1, 2, 3)) ledger.request(id, "alice");
    expect(ledger.grant()).toEqual(ids(1, 2));
    expect(ledger.grant()).toEqual([]);
    expect(ledger.held).toBe(2);
    expect(ledger.waiting).toBe(1);
  });

  test("serves the jobs of one submitter first in, first out", () => {
    const ledger = new SlotLedger(1);
    for (const id of ids(5, 3, 9)) ledger.request(id, "alice");
    const served: JobId[] = [];
    for (let granted = ledger.grant(); granted.length > 0; granted = ledger.grant()) {
      served.push(...granted);
      for (const id of granted) ledger.release(id);
    }
    expect(served).toEqual(ids(5, 3, 9));
  });

  test("lets the single job of one submitter pass the queue of another", () => {
    const ledger = new SlotLedger(1);
    for (let id = 1; id <= 1000; id++) ledger.request(jobId(id), "alice");
    expect(ledger.grant()).toEqual(ids(1));
    ledger.request(jobId(2000), "bob");
    ledger.release(jobId(1));
    expect(ledger.grant()).toEqual(ids(2000));
  });

  test("gives a submitter with fewer slots the next one", () => {
    const ledger = new SlotLedger(3);
    for (const id of ids(1, 2)) ledger.request(id, "alice");
    ledger.grant();
    for (const id of ids(3, 4)) ledger.request(id, "alice");
    ledger.request(jobId(5), "bob");
    expect(ledger.grant()).toEqual(ids(5));
  });

  test("does not let submitters who come back at once starve one who waits", () => {
    const ledger = new SlotLedger(1);
    ledger.request(jobId(1), "alice");
    ledger.grant();
    ledger.request(jobId(2), "alice");
    let next = 10;
    const running = [jobId(1)];
    ledger.request(jobId(next++), "bob");
    ledger.request(jobId(next++), "carol");
    const served: JobId[] = [];
    for (let round = 0; round < 6; round++) {
      for (const id of running.splice(0)) {
        ledger.release(id);
        if (id >= 10) ledger.request(jobId(next++), id % 2 === 0 ? "bob" : "carol");
      }
      running.push(...ledger.grant());
      served.push(...running);
    }
    expect(served).toContain(jobId(2));
  });

  test("counts a job that was with the scheduler before a restart, even beyond the capacity", () => {
    const ledger = new SlotLedger(1);
    ledger.occupy(jobId(1), "alice");
    ledger.occupy(jobId(2), "bob");
    ledger.request(jobId(3), "carol");
    expect(ledger.grant()).toEqual([]);
    ledger.release(jobId(1));
    expect(ledger.grant()).toEqual([]);
    ledger.release(jobId(2));
    expect(ledger.grant()).toEqual(ids(3));
  });

  test("keeps the place of a job that asks twice, and ignores unknown ones", () => {
    const ledger = new SlotLedger(1);
    ledger.request(jobId(1), "alice");
    ledger.grant();
    ledger.request(jobId(1), "alice");
    ledger.request(jobId(2), "alice");
    ledger.request(jobId(3), "alice");
    ledger.request(jobId(2), "alice");
    ledger.release(jobId(99));
    expect(ledger.waiting).toBe(2);
    expect([...ledger.positions(ids(1, 2, 3))]).toEqual([
      [jobId(2), 0],
      [jobId(3), 1],
    ]);
  });

  test("takes a job out of the queue when it is released before its turn", () => {
    const ledger = new SlotLedger(1);
    for (const id of ids(1, 2, 3)) ledger.request(id, "alice");
    ledger.grant();
    ledger.release(jobId(2));
    ledger.release(jobId(1));
    expect(ledger.grant()).toEqual(ids(3));
  });

  test("tells at which place waiting jobs are served, if every slot came free one after the other", () => {
    const action = record({
      kind: constantFrom("request", "request", "request", "occupy", "release"),
      id: integer({ min: 1, max: 25 }),
      submitter: constantFrom("alice", "bob", "carol", "dave"),
    });
    assert(
      property(listOf(action, { maxLength: 80 }), (actions) => {
        // Nobody is served by the one; the other, with the same past, serves all at the end.
        const [closed, open] = [new SlotLedger(0), new SlotLedger(Number.POSITIVE_INFINITY)];
        for (const { kind, id, submitter } of actions) {
          for (const ledger of [closed, open]) {
            if (kind === "request") ledger.request(jobId(id), submitter);
            else if (kind === "occupy") ledger.occupy(jobId(id), submitter);
            else ledger.release(jobId(id));
          }
        }
        const all = Array.from({ length: 25 }, (_, index) => jobId(index + 1));
        const positions = closed.positions(all);
        const served = open.grant();
        expect([...positions].sort(([, a], [, b]) => a - b).map(([id]) => id)).toEqual([...served]);
        expect([...positions.values()].sort((a, b) => a - b)).toEqual(served.map((_, index) => index));
        for (const id of all) {
          const own = positions.get(id);
          expect([...closed.positions([id])]).toEqual(own === undefined ? [] : [[id, own]]);
        }
      }),
    );
  });

  test("never exceeds its capacity, loses a job or idles while somebody waits", () => {
    const action = record({
      kind: constantFrom("request", "release", "grant"),
      id: integer({ min: 1, max: 12 }),
      submitter: constantFrom("alice", "bob", "carol"),
    });
    assert(
      property(integer({ min: 1, max: 4 }), listOf(action, { maxLength: 80 }), (capacity, actions) => {
        const ledger = new SlotLedger(capacity);
        const waiting = new Set<number>();
        const held = new Set<number>();
        for (const { kind, id, submitter } of actions) {
          if (kind === "request") {
            ledger.request(jobId(id), submitter);
            if (!held.has(id)) waiting.add(id);
          } else if (kind === "release") {
            ledger.release(jobId(id));
            waiting.delete(id);
            held.delete(id);
          } else {
            for (const granted of ledger.grant()) {
              expect(waiting.delete(granted)).toBe(true);
              held.add(granted);
            }
            expect(held.size === capacity || waiting.size === 0).toBe(true);
          }
          expect(ledger.held).toBe(held.size);
          expect(ledger.waiting).toBe(waiting.size);
          expect(held.size).toBeLessThanOrEqual(capacity);
        }
      }),
    );
  });

  test("serves jobs that were moved before or after all others, whoever submitted them", () => {
    const ledger = new SlotLedger(1);
    for (const id of ids(1, 2, 3, 4)) ledger.request(id, id === 3 ? "bob" : "alice");
    ledger.order(jobId(4), { isHeld: false, priority: 5 });
    ledger.order(jobId(1), { isHeld: false, priority: -1 });
    expect(ledger.positions(ids(1, 2, 3, 4))).toEqual(
      new Map([
        [jobId(4), 0],
        [jobId(2), 1],
        [jobId(3), 2],
        [jobId(1), 3],
      ]),
    );
    expect(servedInTurn(ledger)).toEqual(ids(4, 3, 2, 1));
  });

  test("grants a job that is held back no slot until it is let go", () => {
    const ledger = new SlotLedger(2);
    ledger.order(jobId(1), { isHeld: true, priority: 0 });
    for (const id of ids(1, 2)) ledger.request(id, "alice");
    expect(ledger.grant()).toEqual(ids(2));
    expect(ledger.waiting).toBe(1);
    expect(ledger.positions(ids(1))).toEqual(new Map());
    ledger.order(jobId(1), { isHeld: false, priority: 0 });
    expect(ledger.grant()).toEqual(ids(1));
  });

  test("keeps the place of a job whose order is said again", () => {
    const ledger = new SlotLedger(1);
    for (const id of ids(1, 2)) ledger.request(id, "alice");
    ledger.order(jobId(1), { isHeld: false, priority: 0 });
    expect(ledger.grant()).toEqual(ids(1));
  });
});

function servedInTurn(ledger: SlotLedger): readonly JobId[] {
  const served: JobId[] = [];
  for (let granted = ledger.grant(); granted.length > 0; granted = ledger.grant()) {
    served.push(...granted);
    for (const id of granted) ledger.release(id);
  }
  return served;
}
