import { describe, expect, test } from "bun:test";
import { feedWatchdog } from "../../src/cli/watchdog.ts";
import type { ServiceManager } from "../../src/ports/service_manager.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { recordingLogger } from "../support/recording_logger.ts";

function setup(
  look: () => Promise<readonly string[]>,
  { watchdogMs }: { watchdogMs?: number | undefined } = { watchdogMs: 3_000 },
) {
  const clock = new ManualClock();
  const logger = recordingLogger();
  const fed: number[] = [];
  const startMs = clock.nowMs();
  const manager: ServiceManager = {
    watchdogMs,
    ready: () => undefined,
    status: () => undefined,
    reloading: () => undefined,
    alive: () => void fed.push(clock.nowMs() - startMs),
    stopping: () => undefined,
  };
  const end = feedWatchdog({ manager, clock, logger, look });
  return { clock, logger, fed, end };
}

describe("the watchdog", () => {
  test("is told three times within its time that all parts answer", async () => {
    const { clock, fed, end } = setup(async () => []);
    await clock.advance(3_000);
    expect(fed).toEqual([0, 1_000, 2_000, 3_000]);
    end();
    await clock.advance(3_000);
    expect(fed).toHaveLength(4);
    expect(clock.pending).toBe(0);
  });

  test("is told nothing while a part does not answer, and the log names the part", async () => {
    let silent: readonly string[] = ["poller:cluster"];
    const { clock, fed, logger, end } = setup(async () => silent);
    await clock.advance(1_500);
    expect(fed).toEqual([]);
    expect(JSON.stringify(logger.lines)).toContain("poller:cluster");
    silent = [];
    await clock.advance(1_000);
    expect(fed).toEqual([2_000]);
    end();
  });

  test("is told nothing when the look itself fails, which is tried again", async () => {
    let looks = 0;
    const { clock, fed, end } = setup(async () => {
      looks += 1;
      if (looks === 1) throw new Error("no look");
      return [];
    });
    await clock.advance(1_000);
    expect(fed).toEqual([1_000]);
    end();
  });

  test("that nobody has is left alone", async () => {
    const { clock } = setup(() => Promise.reject(new Error("nobody asked")), { watchdogMs: undefined });
    expect(clock.pending).toBe(0);
  });
});
