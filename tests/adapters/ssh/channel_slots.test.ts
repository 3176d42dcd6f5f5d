import { expect, test } from "bun:test";
import { type ChannelSlot, ChannelSlots, type ChannelUse } from "../../../adapters/ssh/channel_slots.ts";
import { settle } from "../../support/manual_clock.ts";

const signal = new AbortController().signal;

/** Asks for channels and notes who gets one, in order. */
function asking(slots: ChannelSlots) {
  const granted: { readonly name: string; readonly slot: ChannelSlot }[] = [];
  return {
    granted,
    names: () => granted.map(({ name }) => name),
    ask(use: ChannelUse, name: string, by = signal): void {
      slots.acquire(use, by).then(
        (slot) => granted.push({ name, slot }),
        () => undefined,
      );
    },
    release: (name: string) => granted.find((one) => one.name === name)?.slot.release(),
  };
}

test("no more channels are granted than there are, and those in line get theirs in turn", async () => {
  const world = asking(new ChannelSlots(2));
  for (const name of ["a", "b", "c", "d"]) world.ask("command", name);
  await settle();
  expect(world.names()).toEqual(["a", "b"]);
  world.release("b");
  world.release("b");
  await settle();
  expect(world.names()).toEqual(["a", "b", "c"]);
});

test("transfers leave one channel to commands", async () => {
  const world = asking(new ChannelSlots(4));
  for (let n = 0; n < 6; n++) world.ask("transfer", `t${n}`);
  world.ask("command", "c0");
  await settle();
  expect(world.names()).toEqual(["t0", "t1", "t2", "c0"]);
});

test("commands and transfers take turns", async () => {
  const slots = new ChannelSlots(1);
  const world = asking(slots);
  world.ask("command", "first");
  for (let n = 0; n < 2; n++) world.ask("command", `c${n}`);
  for (let n = 0; n < 2; n++) world.ask("transfer", `t${n}`);
  for (let n = 0; n < 5; n++) {
    await settle();
    world.release(world.names().at(-1) ?? "");
  }
  await settle();
  expect(world.names()).toEqual(["first", "t0", "c0", "t1", "c1"]);
  expect(slots.inUse).toBe(0);
});

test("who no longer waits does not hold the others up", async () => {
  const world = asking(new ChannelSlots(1));
  const abort = new AbortController();
  world.ask("command", "a");
  world.ask("command", "gone", abort.signal);
  world.ask("command", "b");
  await settle();
  abort.abort();
  world.release("a");
  await settle();
  expect(world.names()).toEqual(["a", "b"]);
});

test("a host that refused a channel gets no more than it has, until it has opened many or the link is new", async () => {
  const slots = new ChannelSlots(4);
  const world = asking(slots);
  world.ask("command", "a");
  await settle();
  slots.narrow();
  world.ask("command", "b");
  await settle();
  expect(world.names()).toEqual(["a"]);
  slots.widen();
  await settle();
  expect(world.names()).toEqual(["a", "b"]);
});
