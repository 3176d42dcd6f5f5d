import { describe, expect, test } from "bun:test";
import { meaningOf, outcomeInState, slurmStateName } from "../../../../adapters/scheduler/slurm/slurm_state.ts";

describe("every state of Slurm has its meaning", () => {
  test.each([
    ["queued", "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD"],
    ["running", "RUNNING SUSPENDED COMPLETING STAGE_OUT SIGNALING RESIZING STOPPED"],
    ["ended", "COMPLETED FAILED TIMEOUT OUT_OF_MEMORY NODE_FAIL BOOT_FAIL DEADLINE PREEMPTED REVOKED"],
    ["ended", "CANCELLED CANCELLED+ SPECIAL_EXIT"],
    ["unknown", "SOMETHING_NEW"],
  ] as const)("%s: %s", (meaning, states) => {
    for (const state of states.split(" ")) expect(meaningOf(slurmStateName(state))).toBe(meaning);
  });

  test("what may follow a state, and no state at all", () => {
    expect(meaningOf(slurmStateName("CANCELLED by 1000"))).toBe("ended");
    expect(meaningOf(slurmStateName(""))).toBe("unknown");
  });
});

describe("how a job ended", () => {
  test("the exit status decides where Slurm did not interfere", () => {
    expect(outcomeInState("COMPLETED", "None", 0)).toEqual({ isOk: true, returnCode: 0, reason: null });
    expect(outcomeInState("FAILED", "NonZeroExitCode", 7)).toEqual({ isOk: false, returnCode: 7, reason: null });
    for (const state of ["NODE_FAIL", "CANCELLED"]) expect(outcomeInState(state, "None", 0).isOk).toBe(true);
  });

  test.each(["CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "PREEMPTED"])(
    "%s is no success, whatever the command made of the signal",
    (state) => {
      for (const returnCode of [0, -15, 3]) {
        const outcome = outcomeInState(state, "None", returnCode, true);
        expect(outcome).toMatchObject({ isOk: false, returnCode });
        expect(outcome.reason).toStartWith(`Slurm: ${state}, `);
      }
    },
  );

  test("without an exit status Slurm's own words stand in the reason", () => {
    expect(outcomeInState("FAILED", "JobLaunchFailure", undefined)).toEqual({
      isOk: false,
      returnCode: null,
      reason: "Slurm: FAILED (JobLaunchFailure), and the command left no return code",
    });
  });
});
