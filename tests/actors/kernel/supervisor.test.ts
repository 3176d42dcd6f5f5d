import { describe, expect, test } from "bun:test";
import type { ActorRef } from "../../../actors/kernel/actor.ts";
import { type ActorSpec, supervisor } from "../../../actors/kernel/child_spec.ts";
import { NameTakenError, RestartsExhaustedError } from "../../../actors/kernel/errors.ts";
import { nameOf } from "../../../actors/kernel/registry.ts";
import type { RestartBudget } from "../../../actors/kernel/restart_budget.ts";
import { settle } from "../../support/manual_clock.ts";
import { GENEROUS, named, worldOf } from "./world.ts";

type Order = "crash" | "stop" | { readonly note: string };

/** Makes actors that note their starts, ends and messages, in one log for all. */
function crew() {
  const log: string[] = [];
  const member = (id: string, options: Partial<Omit<ActorSpec<Order>, "factory">> = {}) =>
    named<Order>(
      id,
      (context) => {
        log.push(`+${id}`);
        return {
          receive(order) {
            if (order === "crash") throw new Error(`${id} crashed`);
            if (order === "stop") context.stop();
            else log.push(`${id} ${order.note}`);
          },
          onStop: () => void log.push(`-${id}`),
        };
      },
      options,
    );
  /** What was noted since the last call. */
  const news = () => log.splice(0).join(" ");
  return { log, member, news };
}

describe("the first start", () => {
  test("goes from first to last, each when the one before it runs", async () => {
    const open = Promise.withResolvers<void>();
    const { member, news } = crew();
    const slow = named("slow", async () => {
      await open.promise;
      return { receive() {} };
    });
    const { system } = worldOf(
      supervisor({ id: "root", strategy: "one_for_one", children: [member("a"), slow, member("b")] }),
    );
    const started = system.start();
    await settle();
    expect(news()).toBe("+a");
    expect(system.inspect().children.map((child) => child.state)).toEqual(["running", "starting", "starting"]);
    open.resolve();
    await started;
    expect(news()).toBe("+b");
  });

  test("fails with the fault when the budget is exhausted, and takes down what had started", async () => {
    const { member, news } = crew();
    const broken = named("broken", () => {
      throw new Error("no luck");
    });
    const budget = { ...GENEROUS, maxRestarts: 2 };
    const { system, clock } = worldOf(
      supervisor({ id: "root", strategy: "one_for_one", budget, children: [member("a"), broken] }),
    );
    const error: unknown = await system.start().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(RestartsExhaustedError);
    expect(error).toMatchObject({ message: "root: too many restarts", cause: new Error("no luck") });
    expect(await system.failed).toBe(error);
    expect(news()).toBe("+a -a");
    expect(system.inspect().state).toBe("stopped");
    expect(clock.pending).toBe(0);
  });

  test("rejects when the system is stopped meanwhile", async () => {
    const { system } = worldOf(
      supervisor({
        id: "root",
        strategy: "one_for_one",
        children: [named("slow", () => new Promise<never>(() => {}), { shutdownMs: 0 })],
      }),
    );
    const started = system.start();
    void system.stop();
    expect(started).rejects.toThrow("Stopped before it had started");
  });

  test("is refused for two children with one id, or two actors with one name", () => {
    const { member } = crew();
    const root = (...children: readonly ActorSpec<Order>[]) =>
      worldOf(supervisor({ id: "root", strategy: "one_for_one", children }));
    expect(() => root(member("a"), member("a", { name: nameOf<ActorRef<Order>>("other") }))).toThrow(NameTakenError);
    expect(() => root(member("a"), member("b", { name: nameOf<ActorRef<Order>>("a") }))).toThrow(NameTakenError);
  });
});

describe("a strategy", () => {
  test.each([
    ["one_for_one", "-b +b"],
    ["one_for_all", "-b -c -a +a +b +c"],
    ["rest_for_one", "-b -c +b +c"],
  ] as const)("%s answers the crash of b with %s", async (strategy, expected) => {
    const { member, news } = crew();
    const children = [member("a"), member("b"), member("c")];
    const { system, ref } = worldOf(supervisor({ id: "root", strategy, budget: GENEROUS, children }));
    await system.start();
    news();
    ref<Order>("b").send("crash");
    await settle();
    expect(news()).toBe(expected);
    await system.stop();
    expect(news()).toBe("-c -b -a");
  });

  test("leaves a temporary sibling down and starts a transient one that had finished", async () => {
    const { member, news } = crew();
    const children = [member("a", { restart: "temporary" }), member("b", { restart: "transient" }), member("c")];
    const { system, ref } = worldOf(supervisor({ id: "root", strategy: "one_for_all", budget: GENEROUS, children }));
    await system.start();
    ref<Order>("b").send("stop");
    await settle();
    news();
    ref<Order>("c").send("crash");
    await settle();
    expect(news()).toBe("-c -a +b +c");
  });

  test("of a permanent child restarts it also after a normal end", async () => {
    const { member, news } = crew();
    const { system, ref } = worldOf(
      supervisor({ id: "root", strategy: "one_for_one", budget: GENEROUS, children: [member("a")] }),
    );
    await system.start();
    ref<Order>("a").send("stop");
    await settle();
    expect(news()).toBe("+a -a +a");
  });
});

describe("the budget", () => {
  const budget: RestartBudget = { maxRestarts: 2, withinMs: 1_000, backOff: { initialMs: 10, factor: 3, maxMs: 100 } };

  test("delays each restart by its back-off", async () => {
    const { member, news } = crew();
    const { system, ref, clock } = worldOf(
      supervisor({ id: "root", strategy: "one_for_one", budget, children: [member("a"), member("b")] }),
    );
    await system.start();
    news();
    ref<Order>("a").send("crash");
    await clock.advance(9);
    expect(news()).toBe("-a");
    expect(system.inspect().children.map((child) => child.state)).toEqual(["restarting", "running"]);
    await clock.advance(1);
    expect(news()).toBe("+a");
    ref<Order>("a").send("crash");
    await clock.advance(29);
    expect(news()).toBe("-a");
    await clock.advance(1);
    expect(news()).toBe("+a");
  });

  test("makes the supervisor stop its children and fail when it is exhausted", async () => {
    const { member, news } = crew();
    const { system, ref, clock } = worldOf(
      supervisor({ id: "root", strategy: "one_for_one", budget, children: [member("a"), member("b")] }),
    );
    await system.start();
    news();
    for (let n = 0; n < 3; n++) ref<Order>("a").send("crash");
    await clock.advance(100);
    expect(news()).toBe("-a +a -a +a -a -b");
    expect(await system.failed).toMatchObject({ code: "restarts_exhausted", cause: new Error("a crashed") });
    expect(clock.pending).toBe(0);
  });

  test("of an inner supervisor lets the outer one restart it, with the addresses and waiting messages of its actors", async () => {
    const { member, news } = crew();
    const inner = supervisor({
      id: "inner",
      strategy: "one_for_one",
      budget: { ...budget, maxRestarts: 0 },
      children: [member("a"), member("b")],
    });
    const { system, ref } = worldOf(
      supervisor({ id: "root", strategy: "one_for_one", budget: GENEROUS, children: [inner, member("c")] }),
    );
    await system.start();
    news();
    const a = ref<Order>("a");
    a.send("crash");
    a.send({ note: "waited" });
    await settle();
    expect(news()).toBe("-a -b +a a waited +b");
    expect(system.inspect().children[0]).toMatchObject({
      restarts: 1,
      lastFault: { message: "root/inner: too many restarts" },
      children: [{ restarts: 1 }, { restarts: 1 }],
    });
  });

  test("is not charged for crashes of children that are being stopped anyway", async () => {
    const { member, news } = crew();
    const children = [member("a"), member("b")];
    const { system, ref } = worldOf(
      supervisor({ id: "root", strategy: "one_for_all", budget: { ...GENEROUS, maxRestarts: 1 }, children }),
    );
    await system.start();
    news();
    ref<Order>("a").send("crash");
    ref<Order>("b").send("crash");
    await settle();
    expect(news()).toBe("-a -b +a +b");
    expect(system.inspect().state).toBe("running");
  });
});

describe("a name", () => {
  test("is free when its owner has ended for good, and taken again when the group restarts", async () => {
    const { member } = crew();
    const children = [member("a", { restart: "transient" }), member("b")];
    const { system, ref } = worldOf(supervisor({ id: "root", strategy: "one_for_all", budget: GENEROUS, children }));
    await system.start();
    const a = ref<Order>("a");
    a.send("stop");
    await settle();
    expect(system.find(nameOf("a"))).toBeUndefined();
    ref<Order>("b").send("crash");
    await settle();
    expect(ref<Order>("a")).toBe(a);
    expect(a.send({ note: "again" })).toBe("delivered");
  });
});
