import { expect, test } from "bun:test";
import { turnTaking } from "../../src/files/turns.ts";
import { ManualClock } from "../support/manual_clock.ts";

test("a computation goes on until its turn is over", async () => {
  const clock = new ManualClock();
  const turns = turnTaking(clock)();
  await clock.advance(9);
  expect(turns.next()).toBeUndefined();
  await clock.advance(1);
  const pause = turns.next();
  expect(pause).toBeInstanceOf(Promise);
  await pause;
  expect(turns.next()).toBeUndefined();
});

test("between two rounds of the event loop only one of several computations has a turn", async () => {
  const clock = new ManualClock();
  const begin = turnTaking(clock);
  const computations = Array.from({ length: 5 }, () => begin());
  await clock.advance(10);
  let round = 0;
  const rounds: number[] = [];
  const done = Promise.all(
    computations.map(async (turns) => {
      await turns.next();
      rounds.push(round);
    }),
  );
  const count = (): void => {
    round += 1;
    if (rounds.length < computations.length) setImmediate(count);
  };
  setImmediate(count);
  await done;
  expect(new Set(rounds).size).toBe(5);
});
