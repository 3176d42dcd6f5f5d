import { expect, test } from "bun:test";
import { settle } from "../../support/manual_clock.ts";
import { named, setup } from "./world.ts";

test("stop() ends the actor after the message in hand", async () => {
  const log: string[] = [];
  const { children } = await setup();
  const ref = children.startChild(
    named<string>(
      "a",
      (context) => ({
        async receive(message) {
          context.stop();
          await Promise.resolve();
          log.push(message);
        },
        onStop: ({ type }) => void log.push(type),
      }),
      { restart: "transient" },
    ),
  );
  for (const message of ["first", "second"]) ref.send(message);
  await settle();
  expect(log).toEqual(["first", "normal"]);
});

test("onStop is told why, after the handler in hand and before the end", async () => {
  const log: string[] = [];
  const { ref, clock, system } = await setup(
    named<string>("a", ({ clock }) => ({
      async receive() {
        await new Promise<void>((resolve) => void clock.after(10, resolve));
        log.push("handled");
      },
      async onStop({ type }) {
        await new Promise<void>((resolve) => void clock.after(10, resolve));
        log.push(type);
      },
    })),
  );
  ref("a").send("go");
  await settle();
  const stopped = system.stop().then(() => log.push("stopped"));
  await clock.advance(20);
  await stopped;
  expect(log).toEqual(["handled", "shutdown", "stopped"]);
});

test("a failure of onStop is logged and does not hold up the end", async () => {
  const { system, logger } = await setup(
    named("a", () => ({
      receive() {},
      onStop() {
        throw new Error("planted");
      },
    })),
  );
  await system.stop();
  expect(logger.lines.filter((line) => line.level === "warn")).toEqual([
    {
      level: "warn",
      message: "Actor left a failure behind",
      fields: { actor: "root/a", what: "onStop", error: new Error("planted") },
    },
  ]);
});

test("an actor that does not end by its deadline is abandoned, and later failures of it are still reported", async () => {
  const hang = Promise.withResolvers<void>();
  const { ref, clock, system, events } = await setup(
    named<string>("a", () => ({ receive: () => hang.promise }), { shutdownMs: 30 }),
  );
  ref("a").send("go");
  await settle();
  const stopped = system.stop();
  await clock.advance(29);
  expect(system.inspect().state).toBe("stopping");
  await clock.advance(1);
  await stopped;
  expect(events).toContainEqual({ type: "abandoned", path: "root/a", isHandlerBusy: true, effects: 0 });
  hang.reject(new Error("planted"));
  await settle();
  expect(events.at(-1)).toMatchObject({ type: "side_failure", path: "root/a", what: "abandoned handler" });
});

test("a crash while the actor is told to stop is still reported as its end", async () => {
  const hang = Promise.withResolvers<void>();
  const { ref, system, events } = await setup(named<string>("a", () => ({ receive: () => hang.promise })));
  ref("a").send("go");
  await settle();
  const stopped = system.stop();
  hang.reject(new Error("planted"));
  await stopped;
  expect(events).toContainEqual({
    type: "ended",
    path: "root/a",
    reason: { type: "crashed", error: new Error("planted") },
  });
});

test("an actor that is stopped while its factory works is never given a message, but its onStop", async () => {
  const open = Promise.withResolvers<void>();
  const log: string[] = [];
  const { children } = await setup();
  const ref = children.startChild(
    named<string>("a", async () => {
      await open.promise;
      return { receive: (message) => void log.push(message), onStop: ({ type }) => void log.push(type) };
    }),
  );
  ref.send("lost");
  await settle();
  const stopped = children.stopChild("a");
  open.resolve();
  await stopped;
  expect(log).toEqual(["shutdown"]);
});

test("what an actor asks of its context after the end has begun does nothing", async () => {
  const log: string[] = [];
  const { ref, clock, system } = await setup(
    named<string>(
      "a",
      (context) => ({
        receive(message) {
          log.push(message);
          context.stop();
          context.startTimer("x", 1, "timer");
          context.run(async () => void log.push("effect ran"), String, String);
          context.watch(context.self, String);
        },
      }),
      { restart: "temporary" },
    ),
  );
  ref("a").send("go");
  await clock.advance(100);
  expect(log).toEqual(["go"]);
  expect(system.inspect().children[0]?.state).toBe("stopped");
});
