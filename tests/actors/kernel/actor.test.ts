import { describe, expect, test } from "bun:test";
import { settle } from "../../support/manual_clock.ts";
import { named, setup } from "./world.ts";

/** Lets a test finish a promise by hand. */
function gate(): PromiseWithResolvers<void> {
  return Promise.withResolvers<void>();
}

describe("messages", () => {
  test("are handled one at a time in the order of sending", async () => {
    const log: string[] = [];
    const open = gate();
    const { ref } = await setup(
      named<number>("a", () => ({
        async receive(n) {
          log.push(`begin ${n}`);
          if (n === 1) await open.promise;
          log.push(`end ${n}`);
        },
      })),
    );
    for (const n of [1, 2, 3]) expect(ref("a").send(n)).toBe("delivered");
    await settle();
    expect(log).toEqual(["begin 1"]);
    open.resolve();
    await settle();
    expect(log).toEqual(["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]);
  });

  test("are never handled within the call of send", async () => {
    let isHandled = false;
    const { ref } = await setup(
      named<string>("a", () => ({
        receive() {
          isHandled = true;
        },
      })),
    );
    ref("a").send("go");
    expect(isHandled).toBe(false);
    await Promise.resolve();
    expect(isHandled).toBe(true);
  });

  test("beyond the size of the mailbox are refused, and counted", async () => {
    const { ref, system } = await setup(
      named<number>("a", () => ({ receive: () => new Promise(() => {}) }), { mailboxSize: 2 }),
    );
    ref("a").send(0);
    await settle();
    expect([1, 2, 3].map((n) => ref("a").send(n))).toEqual(["delivered", "delivered", "full"]);
    expect(system.deadLetters.recent()).toMatchObject([
      { path: "root/a", messageType: "number", reason: "mailbox_full" },
    ]);
  });

  test("wait while the actor starts", async () => {
    const open = gate();
    const seen: string[] = [];
    const { children } = await setup();
    const ref = children.startChild(
      named<string>("slow", async () => {
        await open.promise;
        return { receive: (message) => void seen.push(message) };
      }),
    );
    expect(ref.send("early")).toBe("delivered");
    await settle();
    expect(seen).toEqual([]);
    open.resolve();
    await settle();
    expect(seen).toEqual(["early"]);
  });

  test("that wait survive a restart, the one that crashed the actor does not", async () => {
    const seen: string[] = [];
    const { ref } = await setup(
      named<string>("a", () => ({
        receive(message) {
          seen.push(message);
          if (message === "boom") throw new Error("planted");
        },
      })),
    );
    for (const message of ["one", "boom", "two", "three"]) ref("a").send(message);
    await settle();
    expect(seen).toEqual(["one", "boom", "two", "three"]);
  });

  test("that still wait at the end are dead letters, and later ones are refused", async () => {
    const { children, system } = await setup();
    const ref = children.startChild(
      named<{ type: string }>("a", (context) => ({ receive: () => context.stop() }), { restart: "temporary" }),
    );
    for (const type of ["last", "lost"]) ref.send({ type });
    await settle();
    expect(ref.send({ type: "late" })).toBe("dead");
    expect(system.deadLetters.recent()).toMatchObject([
      { messageType: "lost", reason: "actor_ended" },
      { messageType: "late", reason: "actor_dead" },
    ]);
    expect(system.deadLetters.count).toBe(2);
  });
});

describe("a crash", () => {
  test.each(["throws", "rejects"])("follows when a handler %s, and is logged", async (how) => {
    let starts = 0;
    const { ref, logger, system } = await setup(
      named<string>("a", () => {
        starts++;
        return {
          receive() {
            if (how === "rejects") return Promise.reject(new Error("planted"));
            throw new Error("planted");
          },
        };
      }),
    );
    ref("a").send("go");
    await settle();
    expect(starts).toBe(2);
    expect(logger.lines.find((line) => line.level === "error")?.fields).toMatchObject({
      actor: "root/a",
      error: new Error("planted"),
    });
    expect(system.inspect().children[0]).toMatchObject({ restarts: 1, lastFault: { message: "planted" } });
  });

  test("at the start counts like any other", async () => {
    let starts = 0;
    const { events } = await setup(
      named("a", () => {
        if (++starts < 3) throw new Error("planted");
        return { receive() {} };
      }),
    );
    expect(starts).toBe(3);
    expect(events.filter((event) => event.type === "crashed")).toHaveLength(2);
  });
});

describe("effects", () => {
  test("run beside the mailbox, and answer in the order in which they end", async () => {
    const seen: string[] = [];
    const { ref, clock } = await setup(
      named<string>("a", (context) => ({
        receive(message) {
          seen.push(message);
          const delayMs = Number(message);
          if (Number.isNaN(delayMs)) return;
          const effect = () => new Promise<void>((resolve) => void context.clock.after(delayMs, resolve));
          context.run(effect, () => `${message} is over`, String);
        },
      })),
    );
    for (const message of ["20", "10", "go on"]) ref("a").send(message);
    await clock.advance(30);
    expect(seen).toEqual(["20", "10", "go on", "10 is over", "20 is over"]);
  });

  test.each(["throws", "rejects"])("that %s answer with their error", async (how) => {
    const seen: string[] = [];
    const { ref } = await setup(
      named<string>("a", (context) => ({
        receive(message) {
          seen.push(message);
          if (message !== "go") return;
          const effect = () => {
            if (how === "rejects") return Promise.reject(new Error("planted"));
            throw new Error("planted");
          };
          context.run(effect, () => "done", String);
        },
      })),
    );
    ref("a").send("go");
    await settle();
    expect(seen).toEqual(["go", "Error: planted"]);
  });

  test("answer also when the mailbox is full, and before what waits in it", async () => {
    const seen: string[] = [];
    const open = gate();
    const { ref } = await setup(
      named<string>(
        "a",
        (context) => ({
          async receive(message) {
            seen.push(message);
            if (message !== "go") return;
            context.run(
              async () => {},
              () => "answer",
              String,
            );
            await open.promise;
          },
        }),
        { mailboxSize: 1 },
      ),
    );
    ref("a").send("go");
    await settle();
    ref("a").send("waiting");
    open.resolve();
    await settle();
    expect(seen).toEqual(["go", "answer", "waiting"]);
  });

  test("are aborted when the actor ends, which waits for them", async () => {
    const log: string[] = [];
    const { ref, clock } = await setup(
      named<string>("a", (context) => {
        log.push("start");
        return {
          receive() {
            const effect = (signal: AbortSignal) =>
              new Promise<string>((_resolve, reject) => {
                signal.addEventListener("abort", () => {
                  log.push("aborted");
                  context.clock.after(10, () => {
                    log.push("effect over");
                    reject(signal.reason);
                  });
                });
              });
            context.run(effect, String, String);
            throw new Error("planted");
          },
        };
      }),
    );
    ref("a").send("go");
    await clock.advance(5);
    expect(log).toEqual(["start", "aborted"]);
    await clock.advance(5);
    expect(log).toEqual(["start", "aborted", "effect over", "start"]);
  });

  test("that outlive the deadline are abandoned, and their answers become dead letters", async () => {
    const open = gate();
    const { ref, clock, events, system } = await setup(
      named<{ type: string }>(
        "a",
        (context) => ({
          receive() {
            const effect = () => open.promise.then(() => ({ type: "answer" }));
            context.run(
              effect,
              (answer) => answer,
              () => ({ type: "failed" }),
            );
            throw new Error("planted");
          },
        }),
        { shutdownMs: 50 },
      ),
    );
    ref("a").send({ type: "go" });
    await clock.advance(49);
    expect(system.inspect().children[0]?.state).toBe("stopping");
    await clock.advance(1);
    expect(events).toContainEqual({ type: "abandoned", path: "root/a", isHandlerBusy: false, effects: 1 });
    expect(system.inspect().children[0]?.state).toBe("running");
    open.resolve();
    await settle();
    expect(system.deadLetters.recent()).toMatchObject([{ messageType: "answer", reason: "late_answer" }]);
  });

  test("whose answer cannot be built crash the actor", async () => {
    const { ref, system } = await setup(
      named<string>("a", (context) => ({
        receive() {
          const broken = () => {
            throw new Error("planted");
          };
          context.run(async () => {}, broken, broken);
        },
      })),
    );
    ref("a").send("go");
    await settle();
    expect(system.inspect().children[0]).toMatchObject({ restarts: 1, lastFault: { message: "planted" } });
  });
});

describe("timers", () => {
  /** An actor that starts a timer for a message like `key delay`. */
  async function setupTimers() {
    const seen: string[] = [];
    const world = await setup(
      named<string>("a", (context) => ({
        receive(message) {
          if (message === "boom") throw new Error("planted");
          const [key, delayMs] = message.split(" ");
          if (key === undefined || delayMs === undefined) seen.push(message);
          else context.startTimer(key, Number(delayMs), `${key}-${delayMs}`);
        },
      })),
    );
    return { ...world, seen, tell: (...messages: string[]) => messages.map((message) => world.ref("a").send(message)) };
  }

  test("send their message when their time has come", async () => {
    const { tell, clock, seen } = await setupTimers();
    tell("x 10", "y 5");
    await clock.advance(9);
    expect(seen).toEqual(["y-5"]);
    await clock.advance(1);
    expect(seen).toEqual(["y-5", "x-10"]);
  });

  test("are replaced by one with the same key", async () => {
    const { tell, clock, seen } = await setupTimers();
    tell("x 10", "x 20");
    await clock.advance(30);
    expect(seen).toEqual(["x-20"]);
  });

  test.each(["cancelled", "replaced"])(
    "do not arrive after they were %s, even if they were due already",
    async (how) => {
      const seen: string[] = [];
      const { ref, clock } = await setup(
        named<string>("a", (context) => ({
          async receive(message) {
            seen.push(message);
            if (message !== "go") return;
            context.startTimer("x", 10, "old");
            await new Promise<void>((resolve) => void context.clock.after(20, resolve));
            if (how === "cancelled") context.cancelTimer("x");
            else context.startTimer("x", 10, "new");
          },
        })),
      );
      ref("a").send("go");
      await clock.advance(100);
      expect(seen).toEqual(how === "cancelled" ? ["go"] : ["go", "new"]);
    },
  );

  test("die with the incarnation that started them", async () => {
    const { tell, clock, seen } = await setupTimers();
    tell("x 10", "boom");
    await clock.advance(30);
    expect(seen).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
