import { describe, expect, test } from "bun:test";
import { type GrowingChildren, supervisor } from "../../../actors/kernel/child_spec.ts";
import { NameTakenError } from "../../../actors/kernel/errors.ts";
import { type Name, nameOf } from "../../../actors/kernel/registry.ts";
import { settle } from "../../support/manual_clock.ts";
import { GENEROUS, named, worldOf } from "./world.ts";

const GROWING: Name<GrowingChildren> = nameOf("growing");

/** A supervisor that grows below a root, with actors that note their starts and ends. */
async function setup() {
  const log: string[] = [];
  const member = (id: string) =>
    named<"crash">(id, () => {
      log.push(`+${id}`);
      return {
        receive() {
          throw new Error(`${id} crashed`);
        },
        onStop: () => void log.push(`-${id}`),
      };
    });
  const growing = supervisor({
    ...{ id: "growing", name: GROWING, strategy: "one_for_one", children: [member("a")] },
    budget: { ...GENEROUS, maxRestarts: 1 },
  });
  const world = worldOf(supervisor({ id: "root", strategy: "one_for_one", budget: GENEROUS, children: [growing] }));
  await world.system.start();
  const children = world.system.find(GROWING);
  if (children === undefined) throw new Error("It has no name");
  const news = async () => {
    await settle();
    return log.splice(0).join(" ");
  };
  await news();
  return { ...world, children, member, news };
}

describe("a supervisor with a name", () => {
  test("starts a child that is added, and leaves the others alone", async () => {
    const { children, member, news } = await setup();
    children.addChild(member("b"));
    expect(await news()).toBe("+b");
  });

  test("adds whole trees", async () => {
    const { children, member, news, system } = await setup();
    children.addChild(supervisor({ id: "tree", strategy: "one_for_all", children: [member("b"), member("c")] }));
    expect(await news()).toBe("+b +c");
    await children.removeChild("tree");
    expect(await news()).toBe("-c -b");
    expect(system.find(nameOf("b"))).toBeUndefined();
  });

  test("restarts a child that was added as any other", async () => {
    const { children, member, news, ref } = await setup();
    children.addChild(member("b"));
    await news();
    ref<"crash">("b").send("crash");
    expect(await news()).toBe("-b +b");
  });

  test("brings children that were added back when it restarts itself", async () => {
    const { children, member, news, ref } = await setup();
    children.addChild(member("b"));
    await news();
    ref<"crash">("a").send("crash");
    await news();
    ref<"crash">("a").send("crash");
    expect(await news()).toBe("-a -b +a +b");
  });

  test("stops a child that is removed for good, and its name and id are free then", async () => {
    const { children, member, news } = await setup();
    await children.removeChild("a");
    expect(await news()).toBe("-a");
    children.addChild(member("a"));
    expect(await news()).toBe("+a");
  });

  test("removes a child that waits for its restart", async () => {
    const { children, news, ref, system } = await setup();
    ref<"crash">("a").send("crash");
    await children.removeChild("a");
    await news();
    expect(system.find(nameOf("a"))).toBeUndefined();
    await children.removeChild("a");
  });

  test("refuses an id that is taken", async () => {
    const { children, member } = await setup();
    expect(() => children.addChild(member("a"))).toThrow(NameTakenError);
  });

  test("ends with all of its children, also with one that is being removed", async () => {
    const { children, member, news, system } = await setup();
    children.addChild(member("b"));
    await news();
    const removed = children.removeChild("b");
    await system.stop();
    await removed;
    expect((await news()).split(" ").toSorted()).toEqual(["-a", "-b"]);
  });
});
