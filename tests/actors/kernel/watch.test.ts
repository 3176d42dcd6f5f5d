import { expect, test } from "bun:test";
import type { ActorRef } from "../../../actors/kernel/actor.ts";
import { settle } from "../../support/manual_clock.ts";
import { named, setup } from "./world.ts";

type Target = "crash" | "stop";
type Watcher =
  | { readonly type: "watch" | "unwatch" | "unwatch_later"; readonly target: ActorRef<Target> }
  | { readonly type: "ended"; readonly why: string };

/** A watcher that does what it is told and notes what ended, and a way to start targets. */
async function setupWatch() {
  const seen: string[] = [];
  const world = await setup(
    named<Watcher>("watcher", (context) => ({
      async receive(message) {
        switch (message.type) {
          case "watch":
            return context.watch(message.target, ({ type }) => ({ type: "ended", why: type }));
          case "unwatch":
            return context.unwatch(message.target);
          case "unwatch_later":
            await new Promise<void>((resolve) => void context.clock.after(10, resolve));
            return context.unwatch(message.target);
          case "ended":
            seen.push(message.why);
        }
      },
    })),
  );
  const watcher = world.ref<Watcher>("watcher");
  const startTarget = (restart: "permanent" | "temporary" = "temporary") =>
    world.children.startChild(
      named<Target>(
        "target",
        (context) => ({
          receive(message) {
            if (message === "crash") throw new Error("planted");
            context.stop();
          },
        }),
        { restart },
      ),
    );
  const watch = async (target: ActorRef<Target>) => {
    watcher.send({ type: "watch", target });
    await settle();
  };
  return { ...world, watcher, seen, startTarget, watch };
}

test.each([
  ["crash", "crashed"],
  ["stop", "normal"],
] as const)("watch() tells once when an actor ends by %s", async (how, why) => {
  const { startTarget, watch, seen } = await setupWatch();
  const target = startTarget();
  await watch(target);
  target.send(how);
  await settle();
  expect(seen).toEqual([why]);
});

test("watch() tells when the supervisor stops the actor", async () => {
  const { startTarget, watch, seen, children } = await setupWatch();
  await watch(startTarget());
  await children.stopChild("target");
  await settle();
  expect(seen).toEqual(["shutdown"]);
});

test("watch() tells at once when the actor is dead already", async () => {
  const { startTarget, watch, seen } = await setupWatch();
  const target = startTarget();
  target.send("crash");
  await settle();
  await watch(target);
  expect(seen).toEqual(["crashed"]);
});

test("watch() is about one incarnation: a restart has to be watched anew", async () => {
  const { startTarget, watch, seen } = await setupWatch();
  const target = startTarget("permanent");
  await watch(target);
  target.send("crash");
  await settle();
  target.send("crash");
  await settle();
  expect(seen).toEqual(["crashed"]);
  await watch(target);
  target.send("stop");
  await settle();
  expect(seen).toEqual(["crashed", "normal"]);
});

test("watch() called twice tells once", async () => {
  const { startTarget, watch, seen } = await setupWatch();
  const target = startTarget();
  await watch(target);
  await watch(target);
  target.send("stop");
  await settle();
  expect(seen).toEqual(["normal"]);
});

test("unwatch() takes a watch back", async () => {
  const { startTarget, watch, seen, watcher } = await setupWatch();
  const target = startTarget();
  await watch(target);
  watcher.send({ type: "unwatch", target });
  await settle();
  target.send("stop");
  await settle();
  expect(seen).toEqual([]);
});

test("unwatch() takes back what waits in the mailbox already", async () => {
  const { startTarget, watch, seen, watcher, clock } = await setupWatch();
  const target = startTarget();
  await watch(target);
  watcher.send({ type: "unwatch_later", target });
  await settle();
  target.send("stop");
  await clock.advance(20);
  expect(seen).toEqual([]);
});
