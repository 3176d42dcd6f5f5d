import { expect, test } from "bun:test";
import { Dispatcher, type Task } from "../../../actors/kernel/dispatcher.ts";
import { ManualClock } from "../../support/manual_clock.ts";

/** A clock on which every look at it takes a while, as if much had been done since. */
class BusyClock extends ManualClock {
  #lookedMs = 0;

  override monotonicMs(): number {
    this.#lookedMs++;
    return this.#lookedMs;
  }
}

/** A task that notes its turns and asks for the next one until it had `turns`. */
function taskOf(dispatcher: Dispatcher, name: string, turns: number, log: string[]): Task {
  let left = turns;
  const task: Task = {
    isScheduled: false,
    turn() {
      log.push(name);
      if (--left > 0) dispatcher.schedule(task);
    },
  };
  return task;
}

test("tasks get their turns one after the other, in one microtask", async () => {
  const clock = new ManualClock();
  const dispatcher = new Dispatcher(clock);
  const log: string[] = [];
  for (const name of ["a", "b"]) dispatcher.schedule(taskOf(dispatcher, name, 3, log));
  expect(log).toEqual([]);
  await Promise.resolve();
  expect(log).toEqual(["a", "b", "a", "b", "a", "b"]);
  expect(clock.pending).toBe(0);
});

test("a task that is scheduled twice before its turn gets one", async () => {
  const dispatcher = new Dispatcher(new ManualClock());
  const log: string[] = [];
  const task = taskOf(dispatcher, "a", 1, log);
  dispatcher.schedule(task);
  dispatcher.schedule(task);
  await Promise.resolve();
  expect(log).toEqual(["a"]);
});

test("tasks that go on and on let input and output have their turn", async () => {
  const clock = new BusyClock();
  const dispatcher = new Dispatcher(clock);
  const log: string[] = [];
  dispatcher.schedule(taskOf(dispatcher, "a", 20, log));
  await Promise.resolve();
  expect(log.length).toBeLessThan(20);
  expect(clock.nextInMs()).toBe(0);
  await clock.advance(0);
  expect(log).toHaveLength(20);
});

test("so do tasks that wake each other in many small microtasks", async () => {
  const clock = new BusyClock();
  const dispatcher = new Dispatcher(clock);
  const log: string[] = [];
  for (let n = 0; n < 20; n++) {
    dispatcher.schedule(taskOf(dispatcher, "a", 1, log));
    await Promise.resolve();
  }
  expect(log.length).toBeLessThan(20);
  expect(clock.pending).toBe(1);
});
