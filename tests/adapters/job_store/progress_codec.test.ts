import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeParameters, decodeProgress, encodeProgress } from "../../../adapters/job_store/progress_codec.ts";
import { anyProgress, PHASES } from "../../conformance/job_store_samples.ts";
import { progressIn } from "../../support/job_builder.ts";

const PLACED = { destination: "here", isStaged: false };
const OUTCOME = { isOk: false, returnCode: 3, reason: "Disk quota exceeded" };

describe("progress as JSON", () => {
  test.each([...PHASES])("phase %s comes back as it was written", (phase) => {
    expect(decodeProgress(encodeProgress(progressIn(phase)))).toEqual(progressIn(phase));
  });

  test("any progress comes back as it was written", () => {
    fc.assert(fc.property(anyProgress, (any) => expect(decodeProgress(encodeProgress(any))).toEqual(any)));
  });

  test("a field that may be null may be missing, as in rows of older versions", () => {
    expect(decodeProgress('{"phase":"accepted","upload":"u"}')).toEqual({
      phase: "accepted",
      upload: "u",
      cancellation: null,
    });
    expect(decodeProgress('{"phase":"finished","outcome":{"isOk":true}}')).toEqual({
      phase: "finished",
      placement: null,
      schedulerJobId: null,
      outcome: { isOk: true, returnCode: null, reason: null },
    });
  });

  test("fields that are not known are dropped", () => {
    const text = JSON.stringify({ phase: "waiting", ...PLACED, colour: "red" });
    expect(decodeProgress(text)).toEqual({ phase: "waiting", destination: "here", isStaged: false });
  });

  test.each([
    ["", "progress: expected JSON"],
    ['{"phase":"waiting"', "progress: expected JSON"],
    ["null", "progress: expected an object, got null"],
    ["[]", "progress: expected an object, got []"],
    ['"waiting"', 'progress: expected an object, got "waiting"'],
    ["{}", "progress.phase: expected one of accepted, staging_in, "],
    ['{"phase":"paused"}', 'got "paused"'],
    ['{"phase":"toString"}', 'got "toString"'],
    ['{"phase":7}', "got 7"],
    [JSON.stringify({ phase: "waiting", isStaged: false }), "progress.destination: expected text, got nothing"],
    [JSON.stringify({ phase: "waiting", ...PLACED, isStaged: 0 }), "progress.isStaged: expected true or false, got 0"],
    [JSON.stringify({ phase: "running", ...PLACED }), "progress.schedulerJobId: expected text, got nothing"],
    [JSON.stringify({ phase: "running", ...PLACED, schedulerJobId: null }), "schedulerJobId: expected text, got null"],
    [
      JSON.stringify({ phase: "cancelling", ...PLACED, schedulerJobId: "1", wasRunning: true }),
      "progress.cancellation: expected an object, got nothing",
    ],
    [
      JSON.stringify({ phase: "accepted", upload: "u", cancellation: { reason: "r" } }),
      "progress.cancellation.isDelete: expected true or false, got nothing",
    ],
    [JSON.stringify({ phase: "finished" }), "progress.outcome: expected an object, got nothing"],
    [
      JSON.stringify({ phase: "finished", outcome: { ...OUTCOME, returnCode: 1.5 } }),
      "progress.outcome.returnCode: expected an integer or null, got 1.5",
    ],
    [
      JSON.stringify({ phase: "finished", outcome: { ...OUTCOME, reason: 5 } }),
      "progress.outcome.reason: expected text, got 5",
    ],
    [JSON.stringify({ phase: "finished", outcome: OUTCOME, placement: {} }), "progress.placement.destination"],
    [
      JSON.stringify({ phase: "deleting", lastState: "gone" }),
      "expected one of new, queued, running, staging_out, ok, ",
    ],
  ])("%s is refused with the field in the message", (text, message) => {
    expect(() => decodeProgress(text)).toThrow(message);
  });

  test.each(["", "null", "[1]", '"a"', "3"])("parameters %s are refused", (text) => {
    expect(() => decodeParameters(text)).toThrow(/^parameters: expected/);
  });

  test("a parameter named __proto__ is one like any other", () => {
    const parameters = decodeParameters('{"__proto__":{"polluted":true}}');
    expect(Object.keys(parameters)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(parameters)).toBe(Object.prototype);
  });
});
