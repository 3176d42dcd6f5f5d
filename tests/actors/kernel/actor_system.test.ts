import { expect, test } from "bun:test";
import type { ActorRef } from "../../../actors/kernel/actor.ts";
import { ActorSystem } from "../../../actors/kernel/actor_system.ts";
import { dynamicSupervisor, supervisor } from "../../../actors/kernel/child_spec.ts";
import { nameOf } from "../../../actors/kernel/registry.ts";
import { ManualClock, settle } from "../../support/manual_clock.ts";
import { recordingLogger } from "../../support/recording_logger.ts";
import { GENEROUS, named, setup, worldOf } from "./world.ts";

test("inspect() shows the tree as plain data", async () => {
  const children = [
    named<string>("a", () => ({ receive: () => new Promise(() => {}) }), { mailboxSize: 7 }),
    dynamicSupervisor({ id: "jobs", budget: GENEROUS, onExhausted: () => {} }),
  ];
  const { system, ref } = worldOf(supervisor({ id: "root", strategy: "rest_for_one", budget: GENEROUS, children }));
  await system.start();
  for (const message of ["in hand", "waits"]) ref("a").send(message);
  await settle();
  const common = { state: "running", restart: "permanent", restarts: 0, lastFault: null } as const;
  expect(JSON.parse(JSON.stringify(system.inspect()))).toEqual({
    ...common,
    kind: "supervisor",
    id: "root",
    path: "root",
    strategy: "rest_for_one",
    budget: GENEROUS,
    children: [
      { ...common, kind: "actor", id: "a", path: "root/a", mailboxDepth: 1, mailboxSize: 7, children: [] },
      { ...common, kind: "dynamic_supervisor", id: "jobs", path: "root/jobs", budget: GENEROUS, children: [] },
    ],
  });
});

test("find() gives the actor with a name while it lives", async () => {
  const { system, children } = await setup();
  const name = nameOf<ActorRef<string>>("job:1");
  const ref = children.startChild(named<string>("job:1", () => ({ receive() {} })));
  expect(system.find(name)).toBe(ref);
  await children.stopChild("job:1");
  expect(system.find(name)).toBeUndefined();
});

test("actors find each other by name through their context", async () => {
  const seen: string[] = [];
  const { ref } = await setup(
    named<string>("a", (context) => ({
      receive: (message) => void context.find(nameOf<ActorRef<string>>("b"))?.send(`${message} from a`),
    })),
    named<string>("b", () => ({ receive: (message) => void seen.push(message) })),
  );
  ref("a").send("hello");
  await settle();
  expect(seen).toEqual(["hello from a"]);
});

test("the last dead letters are kept, all are counted, and none keeps its content", async () => {
  const clock = new ManualClock();
  const root = supervisor({
    id: "root",
    strategy: "one_for_one",
    children: [named<{ type: string; secret: string }>("a", () => ({ receive() {} }), { mailboxSize: 0 })],
  });
  const system = new ActorSystem({ root, clock, logger: recordingLogger(), keepDeadLetters: 2 });
  await system.start();
  const ref = system.find(nameOf<ActorRef<{ type: string; secret: string }>>("a"));
  for (const type of ["one", "two", "three"]) ref?.send({ type, secret: "x" });
  const letter = { path: "root/a", reason: "mailbox_full", atMs: clock.nowMs() } as const;
  expect(system.deadLetters.count).toBe(3);
  expect(system.deadLetters.recent()).toEqual([
    { ...letter, messageType: "two" },
    { ...letter, messageType: "three" },
  ]);
});

test("an observer that throws is logged and changes nothing", async () => {
  const logger = recordingLogger();
  const system = new ActorSystem({
    root: supervisor({ id: "root", strategy: "one_for_one", children: [named("a", () => ({ receive() {} }))] }),
    clock: new ManualClock(),
    logger,
    onEvent() {
      throw new Error("planted");
    },
  });
  await system.start();
  expect(system.inspect().state).toBe("running");
  expect(logger.lines).toContainEqual({
    level: "error",
    message: "Observer of the actor system failed",
    fields: { error: new Error("planted") },
  });
});

test("the logger of an actor names it", async () => {
  const { ref, logger } = await setup(
    named<string>("a", (context) => ({ receive: (message) => context.logger.info(message) })),
  );
  ref("a").send("hello");
  await settle();
  expect(logger.lines).toContainEqual({ level: "info", message: "hello", fields: { actor: "root/a" } });
});

test("stop() may be called twice, and before the start", async () => {
  const { system } = worldOf(supervisor({ id: "root", strategy: "one_for_one", children: [] }));
  await system.stop();
  await system.start();
  await Promise.all([system.stop(), system.stop()]);
  expect(system.inspect().state).toBe("stopped");
  expect(system.start()).rejects.toThrow("An actor system starts only once");
});
