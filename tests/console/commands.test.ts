import { expect, test } from "bun:test";
import { consoleCommand } from "../../src/console/commands.ts";
import type { ConsoleContext } from "../../src/console/context.ts";
import { paint } from "../../src/console/paint.ts";

/** What a command prints that asks no daemon. */
async function printed(...words: readonly string[]): Promise<string> {
  let text = "";
  const write = (piece: string): void => {
    text += piece;
  };
  const context: ConsoleContext = {
    connect: () => {
      throw new Error("No daemon is to be asked");
    },
    ...{ out: write, err: write, paint: paint(false), isTerminal: false, columns: () => 80, nowMs: () => 0 },
    ...{ sleep: () => Promise.resolve(), confirm: undefined, screen: undefined, fail: () => undefined },
    stopping: () => new AbortController().signal,
  };
  const root = consoleCommand(context, () => Promise.reject(new Error("Not interactive")));
  // Help ends with a signal of commander, as no process is to be ended here.
  await root.parseAsync([...words], { from: "user" }).catch((error: unknown) => {
    if (!(error instanceof Error && "exitCode" in error)) throw error;
  });
  return text;
}

test("help lists the commands, and tells of one", async () => {
  expect(await printed("help")).toMatch(/drain .*<destination>[\s\S]*Exit status: 0 done/);
  expect(await printed("help", "queue")).toMatch(/--watch[\s\S]*Filters:\n {2}--state/);
  expect(await printed("queue", "--help")).toBe(await printed("help", "queue"));
  expect(await printed("nonsense")).toContain("unknown command 'nonsense'; `help`");
  expect(await printed("statsu")).toContain('(did you mean "status"?)');
});
