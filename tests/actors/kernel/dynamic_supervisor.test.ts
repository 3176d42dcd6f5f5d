import { describe, expect, test } from "bun:test";
import type { ActorRef } from "../../../actors/kernel/actor.ts";
import {
  type DynamicChildren,
  type DynamicSupervisorSpec,
  dynamicSupervisor,
  supervisor,
} from "../../../actors/kernel/child_spec.ts";
import { NameTakenError, SupervisorNotRunningError } from "../../../actors/kernel/errors.ts";
import { nameOf } from "../../../actors/kernel/registry.ts";
import { settle } from "../../support/manual_clock.ts";
import { GENEROUS, named, worldOf } from "./world.ts";

type Order = "crash" | "stop";
const JOBS = nameOf<DynamicChildren>("jobs");

/** A running system with one dynamic supervisor, and a log of the starts, ends and hook calls of its children. */
async function setup(options: Partial<DynamicSupervisorSpec> = {}) {
  const log: string[] = [];
  const onExhausted = (id: string, fault: unknown) => void log.push(`!${id} ${String(fault)}`);
  const jobs = dynamicSupervisor({ id: "jobs", name: JOBS, budget: GENEROUS, onExhausted, ...options });
  const other = named<Order>("other", () => ({
    receive() {
      throw new Error("planted");
    },
  }));
  const world = worldOf(
    supervisor({ id: "root", strategy: "rest_for_one", budget: GENEROUS, children: [other, jobs] }),
  );
  await world.system.start();
  const children = world.system.find(JOBS);
  if (children === undefined) throw new Error("The supervisor has no name");
  const job = (id: string) =>
    named<Order>(
      id,
      (context) => {
        log.push(`+${id}`);
        return {
          receive(order) {
            if (order === "crash") throw new Error("planted");
            context.stop();
          },
          onStop: () => void log.push(`-${id}`),
        };
      },
      { restart: "transient", shutdownMs: 50 },
    );
  return { ...world, children, job, news: () => log.splice(0).join(" ") };
}

describe("startChild()", () => {
  test("gives an address that takes messages at once", async () => {
    const { children, job, news } = await setup();
    expect(children.startChild(job("1")).send("stop")).toBe("delivered");
    await settle();
    expect(news()).toBe("+1 -1");
    expect(children.size).toBe(0);
  });

  test("refuses an id or a name that is in use, and leaves nothing behind", async () => {
    const { children, job, system } = await setup();
    children.startChild(job("1"));
    expect(() => children.startChild(job("1"))).toThrow(NameTakenError);
    expect(() => children.startChild({ ...job("2"), name: nameOf<ActorRef<Order>>("1") })).toThrow(NameTakenError);
    await settle();
    expect(children.size).toBe(1);
    await system.stop();
    expect(system.find(nameOf("1"))).toBeUndefined();
  });

  test("takes an id again when its child has ended", async () => {
    const { children, job, news } = await setup();
    const first = children.startChild(job("1"));
    first.send("stop");
    await settle();
    children.startChild(job("1"));
    await settle();
    expect(news()).toBe("+1 -1 +1");
    expect(first.send("stop")).toBe("dead");
  });

  test("is refused while the supervisor does not run", async () => {
    const { children, job, system } = await setup();
    await system.stop();
    expect(() => children.startChild(job("1"))).toThrow(SupervisorNotRunningError);
  });
});

describe("stopChild()", () => {
  test("resolves when the child has ended", async () => {
    const { children, job, news } = await setup();
    children.startChild(job("1"));
    await settle();
    await children.stopChild("1");
    expect(news()).toBe("+1 -1");
    expect(children.size).toBe(0);
  });

  test("resolves at once when there is no such child", async () => {
    const { children } = await setup();
    expect(await children.stopChild("unknown")).toBeUndefined();
  });

  test("ends the wait for a back-off", async () => {
    const budget = { ...GENEROUS, backOff: { initialMs: 1_000, factor: 1, maxMs: 1_000 } };
    const { children, job, news, clock } = await setup({ budget });
    children.startChild(job("1")).send("crash");
    await settle();
    await children.stopChild("1");
    await clock.advance(2_000);
    expect(news()).toBe("+1 -1");
    expect(clock.pending).toBe(0);
  });
});

describe("a child that has exhausted its budget", () => {
  const budget = { ...GENEROUS, maxRestarts: 1 };

  test("is told to onExhausted with its last fault, and disturbs nobody", async () => {
    const { children, job, news, system } = await setup({ budget });
    const [poison, healthy] = [children.startChild(job("poison")), children.startChild(job("healthy"))];
    healthy.send("crash");
    for (let n = 0; n < 3; n++) poison.send("crash");
    await settle();
    expect(news()).toBe("+poison -poison +healthy -healthy +poison -poison !poison Error: planted +healthy");
    expect(system.inspect().children[1]).toMatchObject({
      state: "running",
      restarts: 0,
      children: [{ id: "healthy" }],
    });
    expect(system.deadLetters.recent()).toMatchObject([{ path: "root/jobs/poison", reason: "actor_ended" }]);
  });

  test("keeps its id until the hook is done", async () => {
    const open = Promise.withResolvers<void>();
    const { children, job } = await setup({ budget: { ...budget, maxRestarts: 0 }, onExhausted: () => open.promise });
    children.startChild(job("1")).send("crash");
    await settle();
    expect(() => children.startChild(job("1"))).toThrow(NameTakenError);
    open.resolve();
    await settle();
    expect(children.startChild(job("1")).send("stop")).toBe("delivered");
  });

  test.each([
    ["fails", () => Promise.reject(new Error("no store")), new Error("no store")],
    ["hangs", () => new Promise<void>(() => {}), new Error("no end within the shutdown deadline")],
  ])("is forgotten also when the hook %s, which is logged", async (_how, onExhausted, error) => {
    const { children, job, clock, logger } = await setup({ budget: { ...budget, maxRestarts: 0 }, onExhausted });
    children.startChild(job("1")).send("crash");
    await clock.advance(50);
    expect(children.size).toBe(0);
    expect(clock.pending).toBe(0);
    expect(logger.lines.find((line) => line.level === "warn")?.fields).toEqual({
      actor: "root/jobs/1",
      what: "onExhausted",
      error,
    });
  });
});

test("the end of the supervisor tells its children to stop from last to first, and does not wait in between", async () => {
  const { children, job, news, system } = await setup();
  for (const id of ["1", "2", "3"]) children.startChild(job(id));
  await settle();
  news();
  await system.stop();
  expect(news()).toBe("-3 -2 -1");
});

test("a restart of the supervisor ends its children; the handle stays valid", async () => {
  const { children, job, news, ref, system } = await setup();
  children.startChild(job("1"));
  await settle();
  ref<Order>("other").send("crash");
  await settle();
  expect(news()).toBe("+1 -1");
  expect(system.find(JOBS)).toBe(children);
  children.startChild(job("1"));
  await settle();
  expect(news()).toBe("+1");
});
