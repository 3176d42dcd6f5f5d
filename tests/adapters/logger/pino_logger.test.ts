import { describe, expect, test } from "bun:test";
import { isJournal, journalLines } from "../../../adapters/logger/journal_lines.ts";
import { LOG_LEVELS, type LogLevel } from "../../../adapters/logger/log_levels.ts";
import { pinoLogger } from "../../../adapters/logger/pino_logger.ts";
import { readable, readableLines } from "../../../adapters/logger/readable_lines.ts";

function recorded(level: LogLevel) {
  const lines: string[] = [];
  const logger = pinoLogger(level, { write: (line) => void lines.push(line) });
  return { logger, lines, messages: () => lines.splice(0).map((line) => JSON.parse(line).msg) };
}

describe("a log line", () => {
  test("is one JSON object with time, level by name, message and fields", () => {
    const { logger, lines } = recorded("info");
    logger.child({ job: 12 }).warn("The scheduler\ndid not answer", { destination: "cluster" });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: "warning",
        msg: "The scheduler\ndid not answer",
        job: 12,
        destination: "cluster",
      },
    ]);
    expect(lines[0]?.trimEnd()).not.toContain("\n");
  });

  test("shows an error with its stack and what caused it", () => {
    const { logger, lines } = recorded("info");
    logger.error("Failed", { error: new Error("outer", { cause: new Error("inner") }) });
    expect(JSON.parse(lines[0] ?? "").error).toMatchObject({ message: "outer: inner", stack: expect.any(String) });
  });
});

describe("the level", () => {
  test.each([
    ["critical", []],
    ["error", ["e"]],
    ["warning", ["w", "e"]],
    ["info", ["i", "w", "e"]],
    ["debug", ["d", "i", "w", "e"]],
    ["trace", ["d", "i", "w", "e"]],
  ] as const)("%s lets through %p, also when it is set later, and for children made before", (level, expected) => {
    const { logger, messages } = recorded(level === "critical" ? "trace" : "critical");
    const child = logger.child({ a: 1 }).child({ b: 2 });
    logger.setLevel(level);
    expect(logger.level()).toBe(level);
    for (const log of [logger, child]) {
      expect(log.isDebugging()).toBe((expected as readonly string[]).includes("d"));
      log.debug("d");
      log.info("i");
      log.warn("w");
      log.error("e");
      expect(messages()).toEqual([...expected]);
    }
  });
});

describe("on a terminal a log line", () => {
  test("is time, level, message and name=value, in one line", () => {
    const lines: string[] = [];
    const logger = pinoLogger(
      "info",
      readableLines((text) => void lines.push(text), false),
    );
    logger.info("The job has ended", { job: 12, reason: 'got "a b"', path: "/x", list: [1, 2] });
    expect(lines.join("")).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} info {5}The job has ended job=12 reason="got \\"a b\\"" path=\/x list=\[1,2\]\n$/,
    );
  });

  test("has the stack of an error below it", () => {
    const line = JSON.stringify({
      level: "error",
      time: "2026-01-01T12:00:00.000Z",
      error: { stack: "Error: x\n  at y" },
      msg: "No",
    });
    expect(readable(line, false)).toBe("12:00:00.000 error    No\n    Error: x\n      at y\n");
    expect(readable(line, true)).toStartWith("12:00:00.000 \x1b[31merror   \x1b[0m No\n");
  });

  test("cannot give the terminal commands", () => {
    const line = JSON.stringify({ level: "info", time: "", msg: "a\x1b[2Jb\nc", path: "\x1b]0;x\x07" });
    expect(readable(line, false).trimEnd()).not.toMatch(/\p{Cc}/u);
  });

  test("stays as it is when it is no JSON object", () => {
    expect(readable("half a li", true)).toBe("half a li");
  });
});

describe("in the journal a log line", () => {
  test.each(LOG_LEVELS.map((level) => [level] as const))("of level %s begins with its priority", (level) => {
    const lines: string[] = [];
    journalLines((text) => void lines.push(text)).write(`{"level":"${level}","msg":"x"}\n`);
    expect(lines[0]).toMatch(/^<[2-7]>\{"level":/);
  });

  test("is marked only when standard output is the stream that systemd made", () => {
    expect(isJournal("8:4711", { dev: 8, ino: 4711 })).toBe(true);
    expect(isJournal("8:4711", { dev: 8, ino: 4712 })).toBe(false);
    expect(isJournal(undefined, { dev: 8, ino: 4711 })).toBe(false);
  });
});
