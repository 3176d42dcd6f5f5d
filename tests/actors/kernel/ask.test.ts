import { expect, test } from "bun:test";
import { ask } from "../../../actors/kernel/ask.ts";
import { ActorBusyError, ActorEndedError, AskTimeoutError } from "../../../actors/kernel/errors.ts";
import { settle } from "../../support/manual_clock.ts";
import { named, setup } from "./world.ts";

interface Question {
  readonly what: "sum" | "nothing" | "crash" | "stop";
  readonly reply: (answer: number) => void;
}

/** An actor that answers, or does not, and a way to ask it. */
async function setupOracle(options: { readonly mailboxSize?: number } = {}) {
  const world = await setup(
    named<Question>(
      "oracle",
      (context) => ({
        receive({ what, reply }) {
          if (what === "crash") throw new Error("planted");
          if (what === "stop") context.stop();
          if (what === "sum") reply(42);
        },
      }),
      { restart: "transient", ...options },
    ),
  );
  const oracle = world.ref<Question>("oracle");
  const question = (what: Question["what"], signal?: AbortSignal) =>
    ask(oracle, (reply: (answer: number) => void) => ({ what, reply }), {
      clock: world.clock,
      timeoutMs: 100,
      ...(signal === undefined ? {} : { signal }),
    });
  return { ...world, oracle, question };
}

test("ask() resolves with the answer and leaves no timer", async () => {
  const { question, clock } = await setupOracle();
  expect(await question("sum")).toBe(42);
  expect(clock.pending).toBe(0);
});

test("ask() rejects when no answer comes in time", async () => {
  const { question, clock } = await setupOracle();
  const answer = question("nothing").catch((error: unknown) => error);
  await clock.advance(100);
  expect(await answer).toBeInstanceOf(AskTimeoutError);
  expect(await answer).toMatchObject({ message: "root/oracle: no answer within 100 ms" });
});

test("ask() rejects when the mailbox is full", async () => {
  const { question } = await setupOracle({ mailboxSize: 0 });
  expect(question("sum")).rejects.toBeInstanceOf(ActorBusyError);
});

test.each(["crash", "stop"] as const)("ask() rejects when the actor ends before it answers, by %s", async (what) => {
  const { question, clock } = await setupOracle();
  const error: unknown = await question(what).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ActorEndedError);
  expect(clock.pending).toBe(0);
});

test("ask() rejects at once, with nothing sent, when the actor is dead", async () => {
  const { question, oracle, system } = await setupOracle();
  oracle.send({ what: "stop", reply: () => {} });
  await settle();
  expect(question("sum")).rejects.toBeInstanceOf(ActorEndedError);
  expect(system.deadLetters.count).toBe(0);
});

test("ask() ends with the reason of its signal", async () => {
  const { question, clock } = await setupOracle();
  const controller = new AbortController();
  const answer = question("nothing", controller.signal).catch((error: unknown) => error);
  controller.abort(new Error("client is gone"));
  expect(await answer).toEqual(new Error("client is gone"));
  expect(clock.pending).toBe(0);
  expect(question("sum", controller.signal)).rejects.toThrow("client is gone");
});
