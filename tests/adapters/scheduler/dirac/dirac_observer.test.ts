import { describe, expect, test } from "bun:test";
import type { DiracJobFacts } from "../../../../adapters/scheduler/dirac/dirac_commands.ts";
import { diracObserver } from "../../../../adapters/scheduler/dirac/dirac_observer.ts";
import type { DiracRecord, DiracSandbox } from "../../../../adapters/scheduler/dirac/dirac_sandboxes.ts";
import type { DiracJobState } from "../../../../adapters/scheduler/dirac/dirac_state.ts";
import { schedulerJobId } from "../../../../src/core/ids.ts";
import type { SchedulerStatus } from "../../../../src/core/job.ts";
import { signal } from "../../../conformance/scheduler_world.ts";
import { ManualClock } from "../../../support/manual_clock.ts";

const TAG = "bartender-abc-7-1";
const ID = schedulerJobId(`41@${TAG}`);

function state(status: string, minorStatus = "Unknown", number = 41, applicationStatus = "Unknown"): DiracJobState {
  return { number, status, minorStatus, applicationStatus };
}

function record(changes: Partial<DiracRecord> = {}): DiracSandbox {
  const empty = { tag: TAG, returnCode: undefined, claimedBy: undefined, isStored: false, problem: undefined };
  return { type: "record", record: { ...empty, ...changes } };
}

function facts(changes: Partial<DiracJobFacts> = {}): DiracJobFacts {
  return { number: 41, name: TAG, hasBegun: true, heartBeat: "at six", ...changes };
}

/**
 * An observer of a DIRAC that says what the test wants: that a number is given to another job, that a node falls
 * silent or a record is late cannot be had from a real one at a given moment.
 */
function setup() {
  const clock = new ManualClock();
  const says = {
    states: [] as DiracJobState[],
    facts: [facts()],
    matched: [] as number[],
    sandboxes: new Map<number, DiracSandbox>(),
  };
  /** How many commands were run. */
  const count = { states: 0, facts: 0, sandboxes: 0 };
  const observer = diracObserver({
    commands: {
      async states(numbers) {
        count.states += 1;
        return says.states.filter(({ number }) => numbers.includes(number));
      },
      async facts(numbers) {
        if (numbers.length > 0) count.facts += 1;
        return says.facts.filter(({ number }) => numbers.includes(number));
      },
      matched: async (numbers) => says.matched.filter((number) => numbers.includes(number)),
    },
    sandboxes: {
      async read(numbers) {
        count.sandboxes += 1;
        return new Map(numbers.map((number) => [number, says.sandboxes.get(number) ?? { type: "absent" }]));
      },
    },
    clock,
    lostAfterMs: 600_000,
    recordPatienceMs: 60_000,
    killPatienceMs: 7_200_000,
    closed: signal,
  });
  const see = async (...states: DiracJobState[]) => {
    says.states = states;
    return (await observer.statuses([ID], signal)).get(ID);
  };
  return { clock, says, count, observer, see };
}

const ended = (returnCode: number | null, reason: string | null): SchedulerStatus => ({
  type: "ended",
  outcome: { isOk: returnCode === 0 && reason === null, returnCode, reason },
});

describe("a DIRAC job", () => {
  test.each(["Submitting", "Received", "Checking", "Staging", "Scouting", "Waiting", "Matched", "Rescheduled"])(
    "that is %s is queued",
    async (status) => {
      expect(await setup().see(state(status))).toMatchObject({ type: "queued" });
    },
  );

  test.each(["Running", "Stalled", "Completing"])("that is %s is running", async (status) => {
    expect(await setup().see(state(status))).toEqual({ type: "running" });
  });

  test("in a state that nobody knows keeps its state", async () => {
    expect(await setup().see(state("Dreaming"))).toBeUndefined();
  });

  test("that DIRAC keeps from starting tells why", async () => {
    const { see } = setup();
    expect(await see(state("Waiting", "Pilot Agent Submission"))).toEqual({ type: "queued" });
    expect(await see(state("Checking", "JobScheduling", 41, "On Hold: no site is allowed"))).toEqual({
      type: "queued",
      note: "DIRAC: Checking (JobScheduling; On Hold: no site is allowed)",
    });
  });

  test.each(["Done", "Completed"])("that is %s has ended well", async (status) => {
    const { see, says } = setup();
    says.sandboxes.set(41, record({ returnCode: 0, isStored: true }));
    expect(await see(state(status, "Execution Complete"))).toEqual(ended(0, null));
  });

  test("that failed by its command says no more than its return code", async () => {
    const { see, says } = setup();
    says.sandboxes.set(41, record({ returnCode: -11, isStored: true }));
    expect(await see(state("Failed", "Application Finished With Errors"))).toMatchObject({
      outcome: { isOk: false, returnCode: -11 },
    });
    const other = setup();
    other.says.sandboxes.set(41, record({ returnCode: 5, isStored: true }));
    expect(await other.see(state("Failed", "Application Finished With Errors"))).toEqual(ended(5, null));
  });

  test("whose output could not be stored has failed, whatever its command did", async () => {
    const { see, says } = setup();
    says.sandboxes.set(41, record({ returnCode: 0, problem: "the output could not be stored on grid storage" }));
    const reason = "DIRAC: Failed (Application Finished With Errors); the output could not be stored on grid storage";
    expect(await see(state("Failed", "Application Finished With Errors"))).toEqual(ended(0, reason));
  });

  test("whose work is done and stored is ok, whatever DIRAC missed afterwards", async () => {
    const { see, says } = setup();
    says.sandboxes.set(41, record({ returnCode: 0, isStored: true }));
    expect(await see(state("Failed", "Failed sending requests"))).toEqual(ended(0, null));
  });

  test("that DIRAC ended itself tells DIRAC's reason", async () => {
    const { see, says } = setup();
    says.sandboxes.set(41, record());
    expect(await see(state("Failed", "Job has reached the CPU limit of the queue"))).toEqual(
      ended(null, "DIRAC: Failed (Job has reached the CPU limit of the queue)"),
    );
  });

  test("that never began has failed at once", async () => {
    const { see, says } = setup();
    says.facts = [facts({ hasBegun: false })];
    expect(await see(state("Failed", "Input Data Not Available"))).toEqual(
      ended(null, "DIRAC: Failed (Input Data Not Available)"),
    );
  });

  test("whose pilot is gone was interrupted; one that only fell silent was not", async () => {
    const { see, clock } = setup();
    const gone = state("Failed", "Job stalled: pilot not running");
    expect(await see(gone)).toBeUndefined();
    await clock.advance(60_000);
    expect(await see(gone)).toMatchObject({ type: "ended", isInterrupted: true });
    const silent = setup();
    await silent.see(state("Failed", "Stalling for more than 11700 sec"));
    await silent.clock.advance(60_000);
    const status = await silent.see(state("Failed", "Stalling for more than 11700 sec"));
    expect(status).toMatchObject({ type: "ended" });
    expect(status).not.toHaveProperty("isInterrupted");
  });

  test("that no node ever had was interrupted when DIRAC failed it for want of an answer, and only then", async () => {
    const failed = async (minorStatus: string, applicationStatus: string) => {
      const { see, says } = setup();
      says.facts = [facts({ hasBegun: false })];
      return see(state("Failed", minorStatus, 41, applicationStatus));
    };
    const noAnswer = "Can't connect to dips://localhost/WorkloadManagement/WMSAdministrator: NoCertificate('…')";
    expect(await failed("JobScheduling optimizer", noAnswer)).toMatchObject({ type: "ended", isInterrupted: true });
    for (const [minor, application] of [
      ["JobScheduling optimizer", "Unknown site Nowhere.org"],
      ["Input Data Not Available", noAnswer],
    ] as const) {
      expect(await failed(minor, application)).not.toHaveProperty("isInterrupted");
    }
  });

  test("has time until its record is there", async () => {
    const { see, says, clock } = setup();
    const failed = state("Failed", "Application Finished With Errors");
    expect(await see(failed)).toBeUndefined();
    await clock.advance(59_000);
    expect(await see(failed)).toBeUndefined();
    says.sandboxes.set(41, record({ returnCode: 3, isStored: true }));
    expect(await see(failed)).toEqual(ended(3, null));
  });

  test("has longer when nobody knows whether there is a record", async () => {
    const { see, says, clock } = setup();
    says.sandboxes.set(41, { type: "unknown", why: "SandboxStore is away" });
    const failed = state("Failed", "Application Finished With Errors");
    await see(failed);
    await clock.advance(599_000);
    expect(await see(failed)).toBeUndefined();
    await clock.advance(1_000);
    expect(await see(failed)).toEqual(ended(null, "DIRAC: Failed (Application Finished With Errors)"));
  });

  test("that was killed may run until its wrapper says that it has ended it", async () => {
    const { see, says, clock } = setup();
    expect(await see(state("Running", "Application"))).toEqual({ type: "running" });
    for (const minor of ["Marked for termination", "Input Data Resolution", "Application", "something new"]) {
      expect(await see(state("Killed", minor))).toBeUndefined();
      await clock.advance(600_000);
    }
    says.sandboxes.set(41, record());
    expect(await see(state("Killed", "Received Kill signal"))).toEqual(
      ended(null, "DIRAC: Killed (Received Kill signal)"),
    );
  });

  test("that was killed and whose node is silent is given up after a long while", async () => {
    const { see, clock } = setup();
    await see(state("Killed", "Marked for termination"));
    await clock.advance(7_199_000);
    expect(await see(state("Killed", "Marked for termination"))).toBeUndefined();
    await clock.advance(1_000);
    expect(await see(state("Killed", "Marked for termination"))).toEqual(
      ended(null, "DIRAC: Killed (Marked for termination), and its node does not answer"),
    );
  });

  test("that was killed is not given up while its node gives signs of life, and has to be killed again", async () => {
    const { see, says, clock, observer } = setup();
    const killed = state("Killed", "Marked for termination");
    await see(killed);
    expect(observer.livesOn(ID)).toBe(false);
    for (const heartBeat of ["at seven", "at eight", "at nine"]) {
      await clock.advance(3_600_000);
      says.facts = [facts({ heartBeat })];
      expect(await see(killed)).toBeUndefined();
      expect(observer.livesOn(ID)).toBe(true);
      await see(killed);
      expect(observer.livesOn(ID)).toBe(false);
    }
    await clock.advance(7_200_000);
    expect(await see(killed)).toMatchObject({ type: "ended" });
  });

  test("that was killed has ended when its record is there, though the report of its node got lost", async () => {
    const { see, says, clock, count } = setup();
    const killed = state("Killed", "Marked for termination");
    await see(killed);
    await see(killed);
    expect(count.sandboxes).toBe(0);
    await clock.advance(60_000);
    expect(await see(killed)).toBeUndefined();
    // A start after the first one tells nothing of that.
    says.sandboxes.set(41, record({ claimedBy: 41 }));
    expect(await see(killed)).toBeUndefined();
    says.sandboxes.set(41, record());
    expect(await see(killed)).toEqual(ended(null, "DIRAC: Killed (Marked for termination)"));
  });

  test("whose node obeys late has all the time for its record", async () => {
    const { see, says, clock } = setup();
    await see(state("Killed", "Marked for termination"));
    await clock.advance(1_800_000);
    expect(await see(state("Killed", "Received Kill signal"))).toBeUndefined();
    await clock.advance(59_000);
    says.sandboxes.set(41, record({ returnCode: 0, isStored: true }));
    expect(await see(state("Killed", "Output Sandbox Uploaded"))).toEqual(ended(0, null));
  });

  test("that was given to a node just before it was killed may run, though the node has not said a word", async () => {
    const { see, says } = setup();
    says.facts = [facts({ hasBegun: false })];
    says.matched = [41];
    expect(await see(state("Killed", "Marked for termination"))).toBeUndefined();
  });

  test.each(["Killed", "Deleted"])("that no node had when it was %s has ended at once", async (status) => {
    const { see, says } = setup();
    says.facts = [facts({ hasBegun: false })];
    expect(await see(state(status, "Marked for termination"))).toMatchObject({ type: "ended" });
  });

  test("that was seen with a node may have begun even when DIRAC does not say so", async () => {
    const { see, says } = setup();
    says.facts = [facts({ hasBegun: false })];
    await see(state("Matched"));
    expect(await see(state("Killed", "Marked for termination"))).toBeUndefined();
  });

  test("that DIRAC does not know keeps its state, and is lost after a while", async () => {
    const { see, clock } = setup();
    expect(await see()).toBeUndefined();
    await clock.advance(599_000);
    expect(await see()).toBeUndefined();
    await clock.advance(1_000);
    expect(await see()).toEqual(ended(null, "DIRAC does not know the job any more (its number was 41)"));
  });

  test("whose number was given to another one is not mistaken for it", async () => {
    const byRecord = setup();
    byRecord.says.sandboxes.set(41, record({ tag: "bartender-other-1-1", returnCode: 0, isStored: true }));
    expect(await byRecord.see(state("Done", "Execution Complete"))).toBeUndefined();
    const byName = setup();
    byName.says.facts = [facts({ name: "somebody's" })];
    expect(await byName.see(state("Done", "Execution Complete"))).toBeUndefined();
    await byName.clock.advance(600_000);
    expect(await byName.see(state("Done", "Execution Complete"))).toMatchObject({ outcome: { isOk: false } });
  });

  test("that came too late is followed by the one that was first", async () => {
    const { see, says, observer } = setup();
    says.sandboxes.set(41, record({ claimedBy: 40 }));
    const late = state("Failed", "Application Finished With Errors");
    expect(await see(late, state("Running", "Application", 40))).toBeUndefined();
    expect(await see(late, state("Running", "Application", 40))).toEqual({ type: "running" });
    expect(observer.numberOf(ID)).toBe(40);
    says.sandboxes.set(40, record({ returnCode: 0, isStored: true }));
    expect(await see(late, state("Done", "Execution Complete", 40))).toEqual(ended(0, null));
  });

  test("that DIRAC has started twice does not count as done", async () => {
    const { see, says } = setup();
    says.sandboxes.set(41, record({ claimedBy: 41 }));
    const status = await see(state("Failed", "Application Finished With Errors"));
    expect(status).toMatchObject({
      outcome: { isOk: false, reason: expect.stringContaining("started the job again") },
    });
  });

  test("of the Python Bartender is judged by its status alone", async () => {
    const { says, observer, count } = setup();
    const bare = schedulerJobId("41");
    says.states = [state("Failed", "Application Finished With Errors")];
    expect((await observer.statuses([bare], signal)).get(bare)).toMatchObject({ outcome: { isOk: false } });
    const other = setup();
    other.says.states = [state("Done", "Execution Complete")];
    expect((await other.observer.statuses([bare], signal)).get(bare)).toEqual(ended(0, null));
    expect(count).toEqual({ states: 1, facts: 0, sandboxes: 0 });
  });

  test("costs one command per look, all jobs together, and none when it has ended", async () => {
    const { says, observer, count } = setup();
    const ids = Array.from({ length: 200 }, (_, index) => schedulerJobId(`${index + 1}@bartender-abc-${index + 1}-1`));
    says.states = ids.map((_, index) => state("Running", "Application", index + 1));
    expect((await observer.statuses(ids, signal)).size).toBe(200);
    expect(count).toEqual({ states: 1, facts: 0, sandboxes: 0 });
    says.states = ids.map((_, index) => state("Done", "Execution Complete", index + 1));
    says.sandboxes = new Map(
      ids.map((_, index) => [
        index + 1,
        record({ tag: `bartender-abc-${index + 1}-1`, returnCode: 0, isStored: true }),
      ]),
    );
    for (let round = 0; round < 4; round++) await observer.statuses(ids, signal);
    expect(count).toEqual({ states: 5, facts: 0, sandboxes: 4 });
    expect((await observer.statuses(ids, signal)).size).toBe(200);
    expect(count.sandboxes).toBe(4);
  });

  test("does not wait for others that were killed and whose nodes are silent", async () => {
    const { says, observer } = setup();
    const killed = Array.from({ length: 120 }, (_, index) => index + 100);
    const idOf = (number: number) => schedulerJobId(`${number}@bartender-abc-${number}-1`);
    says.states = [...killed.map((number) => state("Killed", "Marked for termination", number)), state("Done")];
    says.facts = killed.map((number) => facts({ number, name: `bartender-abc-${number}-1` }));
    says.sandboxes.set(41, record({ returnCode: 0, isStored: true }));
    const ids = [...killed.map(idOf), ID];
    const seen: (SchedulerStatus | undefined)[] = [];
    for (let round = 0; round < 3; round++) seen.push((await observer.statuses(ids, signal)).get(ID));
    expect(seen.at(-1)).toEqual(ended(0, null));
  });

  test("is looked at together with all others who look at the same time", async () => {
    const { says, observer, count } = setup();
    says.states = [state("Running")];
    expect(await Promise.all([observer.look(ID), observer.look(ID), observer.look(ID)])).toEqual([
      { type: "running" },
      { type: "running" },
      { type: "running" },
    ]);
    expect(count.states).toBe(1);
    says.states = [];
    expect(await observer.look(ID)).toBeUndefined();
    expect(observer.isMissing(ID)).toBe(true);
  });
});
