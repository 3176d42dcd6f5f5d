import { expect, test } from "bun:test";
import { Command } from "commander";
import { complete } from "../../src/console/complete_line.ts";
import { splitLine } from "../../src/console/split_line.ts";

test("a line is split like in a shell", () => {
  expect(splitLine(`jobs --reason 'it is' "a \\"b\\"" c\\ d x'y'z `)).toEqual([
    "jobs",
    "--reason",
    "it is",
    'a "b"',
    "c d",
    "xyz",
  ]);
  expect(splitLine("  ")).toEqual([]);
  expect(splitLine("why 'x")).toBeUndefined();
});

test("commands, destinations, numbers of jobs and options are completed", () => {
  const tree = new Command("console");
  tree.command("status");
  tree.command("drain <destination>");
  tree.command("why <id>");
  tree.command("cancel [ids...]").option("--destination <name>").option("--yes").option("--state <states>");
  const candidates = { destinations: ["cluster", "local"], jobs: ["17", "18"] };
  const found = (line: string) => complete(tree, line, candidates);
  expect(found("st")).toEqual([["status "], "st"]);
  expect(found("drain ")[0]).toEqual(["cluster ", "local "]);
  expect(found("drain cl")).toEqual([["cluster "], "cl"]);
  expect(found("why 1")[0]).toEqual(["17 ", "18 "]);
  expect(found("why 17 ")[0]).toEqual([]);
  expect(found("cancel 17 ")[0]).toEqual(["17 ", "18 "]);
  expect(found("cancel --y")[0]).toEqual(["--yes "]);
  expect(found("cancel --state run")[0]).toEqual(["running "]);
});
