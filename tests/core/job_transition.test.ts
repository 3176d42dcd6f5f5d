import { describe, expect, test } from "bun:test";
import { assert, boolean, integer, array as listOf, property } from "fast-check";
import { schedulerJobId } from "../../src/core/ids.ts";
import { holdsRunSlot, type Job, type Phase, PUBLIC_STATES, publicState } from "../../src/core/job.ts";
import type { JobEffect, JobEvent } from "../../src/core/job_event.ts";
import { DEFAULT_RULES, MAX_RERUNS } from "../../src/core/job_rules.ts";
import { ABSENCES, transition } from "../../src/core/job_transition.ts";
import { aJob, FAILED, KILLED, LOCAL, progressIn, REMOTE, SUCCEEDED, T0 } from "../support/job_builder.ts";

const S1 = schedulerJobId("s1");
const LATER = T0 + 60_000;
const transient = { fault: { message: "Connection refused", retryable: true }, failures: 1 };
const definite = { fault: { message: "No such partition", retryable: false }, failures: 1 };
const INTERRUPTED = { isOk: false, returnCode: null, reason: "The machine was restarted" };
const cancellation = { reason: "Cancelled by alice", isDelete: false };
const TOO_LONG = { reason: "Ran longer than max_runtime (60 s)", isDelete: false };
const deletion = { reason: "Deleted by alice", isDelete: true };

/** Every event, under a short name. */
const EVENTS = {
  resumed: { type: "resumed" },
  picked_local: { type: "destination_picked", ...LOCAL },
  picked_remote: { type: "destination_picked", ...REMOTE },
  admission_transient: { type: "admission_failed", ...transient },
  admission_definite: { type: "admission_failed", ...definite },
  staged_in: { type: "staged_in" },
  stage_in_transient: { type: "stage_in_failed", ...transient },
  stage_in_definite: { type: "stage_in_failed", ...definite },
  slot: { type: "run_slot_granted" },
  submitted: { type: "submitted", schedulerJobId: S1, status: null },
  submitted_running: { type: "submitted", schedulerJobId: S1, status: { type: "running" } },
  submitted_interrupted: {
    type: "submitted",
    schedulerJobId: S1,
    status: { type: "ended", outcome: INTERRUPTED, isInterrupted: true },
  },
  submitted_ended: { type: "submitted", schedulerJobId: S1, status: { type: "ended", outcome: SUCCEEDED } },
  submit_transient: { type: "submit_failed", ...transient },
  submit_definite: { type: "submit_failed", ...definite },
  found: { type: "attempt_found", schedulerJobId: S1, absences: 0 },
  found_none: { type: "attempt_found", schedulerJobId: null, absences: ABSENCES },
  found_none_yet: { type: "attempt_found", schedulerJobId: null, absences: ABSENCES - 1 },
  find_failed: { type: "find_failed", ...transient },
  seen_queued: { type: "status_observed", schedulerJobId: S1, status: { type: "queued" } },
  seen_running: { type: "status_observed", schedulerJobId: S1, status: { type: "running" } },
  seen_ok: { type: "status_observed", schedulerJobId: S1, status: { type: "ended", outcome: SUCCEEDED } },
  seen_failed: { type: "status_observed", schedulerJobId: S1, status: { type: "ended", outcome: FAILED } },
  seen_killed: { type: "status_observed", schedulerJobId: S1, status: { type: "ended", outcome: KILLED } },
  seen_interrupted: {
    type: "status_observed",
    schedulerJobId: S1,
    status: { type: "ended", outcome: INTERRUPTED, isInterrupted: true },
  },
  seen_other: {
    type: "status_observed",
    schedulerJobId: schedulerJobId("s0"),
    status: { type: "ended", outcome: FAILED },
  },
  cancel: { type: "cancel_requested", cancellation },
  delete: { type: "cancel_requested", cancellation: deletion },
  too_long: { type: "runtime_exceeded", cancellation: TOO_LONG },
  look_transient: { type: "look_failed", ...transient, cancellation: TOO_LONG },
  look_definite: { type: "look_failed", ...definite, cancellation: TOO_LONG },
  cancelled: { type: "cancelled" },
  cancel_failed: { type: "cancel_failed", ...definite },
  staged_out: { type: "staged_out" },
  stage_out_transient: { type: "stage_out_failed", ...transient },
  stage_out_definite: { type: "stage_out_failed", ...definite },
  closed: { type: "closed" },
  close_transient: { type: "close_failed", ...transient },
  close_definite: { type: "close_failed", ...definite },
  removed: { type: "removed" },
  remove_failed: { type: "remove_failed", ...definite },
} as const satisfies Record<string, JobEvent>;

type EventName = keyof typeof EVENTS;

/** What follows, written as `phase: effect effect`; events that a phase leaves out change nothing. */
type Row = Partial<Record<EventName, string>>;

const LOCAL_TABLE: Record<Phase, Row> = {
  accepted: {
    resumed: "accepted: admit",
    picked_local: "waiting: request_run_slot",
    picked_remote: "staging_in: stage_in",
    admission_transient: "accepted: retry_later",
    admission_definite: "closing: close",
    cancel: "accepted: retry_now",
    delete: "accepted: retry_now",
  },
  staging_in: {
    resumed: "staging_in: stage_in",
    staged_in: "waiting: request_run_slot",
    stage_in_transient: "staging_in: retry_later",
    stage_in_definite: "closing: close",
    cancel: "staging_in: retry_now",
    delete: "staging_in: retry_now",
  },
  waiting: {
    resumed: "waiting: request_run_slot",
    slot: "submitting: submit",
    cancel: "closing: release_run_slot close",
    delete: "deleting: release_run_slot remove",
  },
  submitting: {
    resumed: "submitting: submit",
    submitted: "queued: watch",
    submitted_running: "running: watch",
    submitted_ended: "finished: release_run_slot forget",
    submitted_interrupted: "closing: release_run_slot close",
    submit_transient: "submitting: retry_later",
    submit_definite: "closing: release_run_slot close",
    find_failed: "submitting: retry_later",
    cancel: "submitting: retry_now",
    delete: "submitting: retry_now",
  },
  queued: {
    resumed: "queued: watch",
    seen_running: "running:",
    seen_ok: "finished: release_run_slot forget",
    seen_failed: "finished: release_run_slot forget",
    seen_killed: "closing: release_run_slot close",
    seen_interrupted: "closing: release_run_slot close",
    cancel: "cancelling: cancel",
    delete: "cancelling: cancel",
  },
  running: {
    resumed: "running: watch",
    seen_ok: "finished: release_run_slot forget",
    seen_failed: "finished: release_run_slot forget",
    seen_killed: "closing: release_run_slot close",
    seen_interrupted: "closing: release_run_slot close",
    too_long: "running: look",
    look_transient: "running: retry_later",
    look_definite: "cancelling: cancel",
    cancel: "cancelling: cancel",
    delete: "cancelling: cancel",
  },
  cancelling: {
    resumed: "cancelling: cancel",
    cancelled: "closing: release_run_slot close",
    cancel_failed: "cancelling: retry_later",
    delete: "cancelling: retry_now",
  },
  staging_out: {
    resumed: "staging_out: stage_out",
    staged_out: "closing: close",
    stage_out_transient: "staging_out: retry_later",
    stage_out_definite: "closing: close",
    delete: "staging_out: retry_now",
  },
  closing: {
    resumed: "closing: close",
    closed: "finished: forget",
    close_transient: "closing: retry_later",
    close_definite: "finished: forget",
    delete: "closing: retry_now",
  },
  finished: { delete: "deleting: remove forget" },
  deleting: { resumed: "deleting: remove", removed: "gone", remove_failed: "deleting: retry_later" },
};

/** Where a destination with files of its own differs. */
const REMOTE_TABLE: Partial<Record<Phase, Row>> = {
  submitting: {
    submitted_ended: "staging_out: release_run_slot stage_out",
    submitted_interrupted: "staging_out: release_run_slot stage_out",
  },
  queued: {
    seen_ok: "staging_out: release_run_slot stage_out",
    seen_failed: "staging_out: release_run_slot stage_out",
    seen_killed: "staging_out: release_run_slot stage_out",
    seen_interrupted: "staging_out: release_run_slot stage_out",
  },
  running: {
    seen_ok: "staging_out: release_run_slot stage_out",
    seen_failed: "staging_out: release_run_slot stage_out",
    seen_killed: "staging_out: release_run_slot stage_out",
    seen_interrupted: "staging_out: release_run_slot stage_out",
  },
  cancelling: { cancelled: "staging_out: release_run_slot stage_out" },
};

function outcomeOf(job: Job, event: JobEvent): string {
  const step = transition(job, event, LATER);
  if (step.isGone) return "gone";
  if (step.job === job && step.effects.length === 0) return "unchanged";
  return `${step.job.progress.phase}: ${step.effects.map((effect) => effect.type).join(" ")}`.trimEnd();
}

for (const placement of [LOCAL, REMOTE]) {
  describe(`transition() at a destination ${placement.isStaged ? "with files of its own" : "that shares our files"}`, () => {
    for (const phase of Object.keys(LOCAL_TABLE) as Phase[]) {
      const row: Row = { ...LOCAL_TABLE[phase], ...(placement.isStaged ? REMOTE_TABLE[phase] : {}) };
      for (const name of Object.keys(EVENTS) as EventName[]) {
        test(`${phase} × ${name} → ${row[name] ?? "unchanged"}`, () => {
          expect(outcomeOf(aJob({ progress: progressIn(phase, placement) }), EVENTS[name])).toBe(
            row[name] ?? "unchanged",
          );
        });
      }
    }
  });
}

describe("an interrupted command", () => {
  const RERUNS = { ...DEFAULT_RULES, maxReruns: MAX_RERUNS };
  const running = aJob({ progress: progressIn("running"), attempt: 1, startedOnMs: T0 });

  test("ends the job with the reason where the destination wants that", () => {
    const { job } = transition(running, EVENTS.seen_interrupted, LATER);
    expect(job.progress).toMatchObject({ phase: "closing", outcome: INTERRUPTED });
  });

  test("is run again as an attempt of its own, in the slot that it has, and is forgotten", () => {
    const { job, effects } = transition(running, EVENTS.seen_interrupted, LATER, RERUNS);
    expect(job).toMatchObject({ attempt: 2, startedOnMs: null, updatedOnMs: T0 });
    expect(job.progress).toMatchObject({
      phase: "submitting",
      rerun: { wasRunning: true, reason: "The machine was restarted" },
    });
    expect(effects).toEqual([
      { type: "submit", placement: LOCAL, attempt: 2 },
      { type: "forget", placement: LOCAL, schedulerJobId: S1 },
    ]);
  });

  test("never lets clients see a running job go back", () => {
    let { job } = transition(running, EVENTS.seen_interrupted, LATER, RERUNS);
    for (const event of [EVENTS.submit_transient, EVENTS.submitted, EVENTS.seen_queued, EVENTS.cancel]) {
      job = transition(job, event, LATER, RERUNS).job;
      expect(publicState(job.progress)).toBe("running");
    }
    expect(job.progress.phase).toBe("cancelling");
  });

  test("that nobody saw running stays queued until its next attempt runs", () => {
    const queued = aJob({ progress: progressIn("queued"), attempt: 1 });
    let { job } = transition(queued, EVENTS.seen_interrupted, LATER, RERUNS);
    expect(publicState(job.progress)).toBe("queued");
    ({ job } = transition(job, EVENTS.submitted_running, LATER, RERUNS));
    expect(job).toMatchObject({ startedOnMs: LATER, progress: { phase: "running" } });
  });

  test("whose submission was not answered before the interruption is run again, too", () => {
    const job = aJob({ progress: progressIn("submitting"), attempt: 1 });
    expect(transition(job, EVENTS.submitted_interrupted, LATER, RERUNS).job).toMatchObject({ attempt: 2 });
  });

  test("is run again a few times only", () => {
    let job = running;
    for (let rerun = 1; rerun <= MAX_RERUNS; rerun++) {
      job = transition(job, EVENTS.seen_interrupted, LATER, RERUNS).job;
      expect(job.progress.phase).toBe("submitting");
      job = transition(job, EVENTS.submitted_running, LATER, RERUNS).job;
    }
    expect(transition(job, EVENTS.seen_interrupted, LATER, RERUNS).job.progress).toMatchObject({
      phase: "closing",
      outcome: { isOk: false, reason: "The machine was restarted (attempt 4 of 4)" },
    });
  });

  test("is not run again when its end was asked for", () => {
    const { job } = transition(running, EVENTS.cancel, LATER, RERUNS);
    expect(transition(job, EVENTS.seen_interrupted, LATER, RERUNS).job).toBe(job);
  });
});

/** Feeds events one after the other. */
function after(
  job: Job,
  ...events: readonly JobEvent[]
): { readonly job: Job; readonly effects: readonly JobEffect[] } {
  let effects: readonly JobEffect[] = [];
  let now = job;
  for (const event of events) ({ job: now, effects } = transition(now, event, LATER));
  return { job: now, effects };
}

describe("a cancellation", () => {
  test("of a job that is being admitted, staged in or submitted waits for the answer that is under way", () => {
    const admitted = after(aJob(), EVENTS.cancel, EVENTS.picked_local);
    expect(admitted.job.progress).toMatchObject({
      phase: "closing",
      outcome: { isOk: false, reason: "Cancelled by alice" },
    });
    const staged = after(aJob({ progress: progressIn("staging_in", REMOTE) }), EVENTS.delete, EVENTS.staged_in);
    expect(staged.job.progress).toMatchObject({ phase: "deleting", placement: REMOTE });
    const submitted = after(aJob({ progress: progressIn("submitting") }), EVENTS.cancel, EVENTS.submitted_running);
    expect(submitted.job.progress).toMatchObject({ phase: "cancelling", schedulerJobId: S1 });
  });

  test("of a job that was being copied waits for the end of what may be under way still", () => {
    const staging = [progressIn("staging_in", REMOTE), progressIn("staging_out", REMOTE)];
    const deleted = staging.map((progress) => after(aJob({ progress }), EVENTS.delete).job);
    for (const job of deleted) {
      expect(transition(job, EVENTS.resumed, LATER)).toMatchObject({ job, effects: [{ type: "await_copy" }] });
    }
    const ends = [EVENTS.stage_in_transient, EVENTS.stage_out_transient];
    for (const [index, event] of ends.entries()) {
      expect(transition(deleted[index] ?? aJob(), event, LATER).job.progress.phase).toBe("deleting");
    }
  });

  test("of a submission without an answer looks for the attempt before it ends the job", () => {
    const job = after(aJob({ progress: progressIn("submitting"), attempt: 1 }), EVENTS.cancel).job;
    expect(transition(job, EVENTS.submit_transient, LATER).effects).toMatchObject([{ type: "retry_later" }]);
    expect(transition(job, EVENTS.resumed, LATER).effects).toEqual([{ type: "find", placement: LOCAL, attempt: 1 }]);
    expect(transition(job, EVENTS.found, LATER).job.progress.phase).toBe("cancelling");
    expect(transition(job, EVENTS.found_none_yet, LATER)).toMatchObject({ job, effects: [{ type: "retry_later" }] });
    expect(transition(job, EVENTS.found_none, LATER).job.progress.phase).toBe("closing");
  });

  test("becomes a deletion when one is asked for while the command is being ended", () => {
    const { job, effects } = after(
      aJob({ progress: progressIn("running") }),
      EVENTS.cancel,
      EVENTS.delete,
      EVENTS.cancelled,
    );
    expect(job.progress.phase).toBe("deleting");
    expect(effects.map((effect) => effect.type)).toEqual(["release_run_slot", "remove", "forget"]);
  });

  test.each(["accepted", "staging_in", "submitting"] as const)(
    "of a job in phase %s does not take back a deletion, and is not saved twice",
    (phase) => {
      const cancelled = after(aJob({ progress: progressIn(phase, REMOTE) }), EVENTS.cancel).job;
      expect(transition(cancelled, EVENTS.cancel, LATER).job).toBe(cancelled);
      const deleted = after(cancelled, EVENTS.delete).job;
      expect(deleted.progress).toMatchObject({ cancellation: deletion });
      expect(transition(deleted, EVENTS.cancel, LATER).job).toBe(deleted);
    },
  );

  test("is too late once the command has ended, but a deletion is not", () => {
    const job = aJob({ progress: progressIn("staging_out", REMOTE) });
    expect(transition(job, EVENTS.cancel, LATER).job).toBe(job);
    expect(after(job, EVENTS.delete, EVENTS.staged_out).job.progress.phase).toBe("deleting");
  });
});

describe("a fault", () => {
  test("that may pass ends a job only after the last try to copy its input", () => {
    const job = aJob({ progress: progressIn("staging_in", REMOTE) });
    const last = { type: "stage_in_failed", fault: transient.fault, failures: DEFAULT_RULES.maxAttempts } as const;
    expect(transition(job, { ...last, failures: last.failures - 1 }, LATER).job).toBe(job);
    expect(transition(job, last, LATER).job.progress).toMatchObject({
      phase: "closing",
      outcome: { isOk: false, reason: "Input could not be copied to the destination: Connection refused" },
    });
  });

  test("that may pass never ends a submission, as the scheduler may have the job", () => {
    const job = aJob({ progress: progressIn("submitting") });
    expect(transition(job, { ...EVENTS.submit_transient, failures: 1_000_000 }, LATER).job).toBe(job);
  });

  test("while copying output back turns success into an error with the reason, and keeps an earlier reason", () => {
    const succeeded = after(aJob({ progress: progressIn("staging_out", REMOTE) }), EVENTS.stage_out_definite).job
      .progress;
    expect(succeeded).toMatchObject({
      outcome: { isOk: false, returnCode: 0, reason: "Output could not be copied back: No such partition" },
    });
    const killed = after(
      aJob({ progress: progressIn("running", REMOTE) }),
      EVENTS.seen_killed,
      EVENTS.stage_out_definite,
    );
    expect(killed.job.progress).toMatchObject({ outcome: KILLED });
  });
});

describe("times of a job", () => {
  test("tell when the scheduler took its newest attempt", () => {
    const job = aJob({ progress: progressIn("submitting"), submittedOnMs: T0 });
    expect(transition(job, EVENTS.submitted, LATER).job.submittedOnMs).toBe(LATER);
    expect(after(job, EVENTS.cancel, EVENTS.submitted).job.submittedOnMs).toBe(LATER);
  });

  test("change only with what clients see", () => {
    const waiting = after(aJob(), EVENTS.picked_local).job;
    expect(waiting.updatedOnMs).toBe(LATER);
    expect(transition(waiting, EVENTS.slot, LATER + 5).job.updatedOnMs).toBe(LATER);
  });

  test("tell the first start and the end", () => {
    const running = after(aJob({ progress: progressIn("queued") }), EVENTS.seen_running).job;
    expect(running).toMatchObject({ startedOnMs: LATER, finishedOnMs: null });
    const { job } = transition(running, EVENTS.seen_ok, LATER + 7);
    expect(job).toMatchObject({ startedOnMs: LATER, finishedOnMs: LATER + 7 });
  });

  test("count each submission as an attempt of its own", () => {
    expect(after(aJob({ progress: progressIn("waiting"), attempt: 2 }), EVENTS.slot).job.attempt).toBe(3);
  });
});

/** Possible answers to an effect, with the good ones first. */
function answersTo(effect: JobEffect, { progress }: Job): readonly JobEvent[] {
  switch (effect.type) {
    case "admit":
      return [EVENTS.picked_local, EVENTS.picked_remote, EVENTS.admission_definite, EVENTS.admission_transient];
    case "stage_in":
      return [EVENTS.staged_in, EVENTS.stage_in_definite, EVENTS.stage_in_transient];
    case "request_run_slot":
      return [EVENTS.slot];
    case "submit":
      return [
        EVENTS.submitted,
        EVENTS.submitted_running,
        EVENTS.submitted_ended,
        EVENTS.submitted_interrupted,
        EVENTS.submit_definite,
        EVENTS.submit_transient,
      ];
    case "await_copy":
      return progress.phase === "staging_in"
        ? [EVENTS.staged_in, EVENTS.stage_in_transient]
        : [EVENTS.staged_out, EVENTS.stage_out_transient];
    case "find":
      return [EVENTS.found, EVENTS.found_none, EVENTS.found_none_yet, EVENTS.find_failed];
    case "watch":
      return [EVENTS.seen_ok, EVENTS.seen_killed, EVENTS.seen_interrupted, EVENTS.seen_failed];
    case "look":
      return [EVENTS.seen_ok, EVENTS.cancel, EVENTS.look_transient];
    case "cancel":
      return [EVENTS.cancelled, EVENTS.cancel_failed];
    case "stage_out":
      return [EVENTS.staged_out, EVENTS.stage_out_definite, EVENTS.stage_out_transient];
    case "close":
      return [EVENTS.closed, EVENTS.close_definite, EVENTS.close_transient];
    case "remove":
      return [EVENTS.removed, EVENTS.remove_failed];
    case "retry_later":
      return [EVENTS.resumed];
    default:
      return [];
  }
}

function expectForward(before: Job, after: Job): void {
  const rank = (job: Job): number =>
    Math.min(PUBLIC_STATES.indexOf(publicState(job.progress)), PUBLIC_STATES.indexOf("ok"));
  expect(rank(after)).toBeGreaterThanOrEqual(rank(before));
}

/** What may happen at any time, by the least of the choices that stand for it. */
const DISTURBANCES = [
  [94, EVENTS.delete],
  [88, EVENTS.cancel],
  [80, EVENTS.resumed],
  [76, EVENTS.too_long],
] as const;

describe("every path", () => {
  test("ends in ok, in error or in removal, moves states only forward and gives each slot back", () => {
    assert(
      property(
        listOf(integer({ min: 0, max: 99 }), { maxLength: 120 }),
        boolean(),
        boolean(),
        (choices, isRemote, isRerun) => {
          const rules = { ...DEFAULT_RULES, maxReruns: isRerun ? MAX_RERUNS : 0 };
          const where = (event: JobEvent | undefined) =>
            event === EVENTS.picked_local && isRemote ? EVENTS.picked_remote : event;
          let job = aJob();
          let answers: readonly JobEvent[] = [EVENTS.resumed];
          let slots = 0;
          let wasDeleted = false;
          for (let turn = 0; turn < 400; turn++) {
            // Once the choices are used up the world is kind: every effect gets its first, good answer.
            const choice = choices[turn] ?? 0;
            const disturbance = DISTURBANCES.find(([from]) => choice >= from)?.[1] ?? null;
            const event = disturbance ?? where(answers[choice % answers.length]);
            if (event === undefined) throw new Error(`Stuck in ${job.progress.phase} after ${turn} turns`);
            wasDeleted ||= event === EVENTS.delete;
            const step = transition(job, event, T0 + turn, rules);
            if (step.isGone) {
              expect(wasDeleted).toBe(true);
              expect(slots).toBe(0);
              return;
            }
            expectForward(job, step.job);
            for (const effect of step.effects) {
              if (effect.type === "request_run_slot") slots = 1;
              if (effect.type === "release_run_slot") slots = 0;
            }
            if (holdsRunSlot(step.job.progress)) expect(slots).toBe(1);
            const hasRetry = step.effects.some((effect) => effect.type === "retry_now");
            const next = step.effects.flatMap((effect) => answersTo(effect, step.job));
            // An answer that was under way before a disturbance still arrives; a waiting retry is cut short.
            if (hasRetry && answers[0]?.type === "resumed") answers = [EVENTS.resumed];
            else if (next.length > 0) answers = next;
            job = step.job;
            if (job.progress.phase === "finished" && turn >= choices.length) {
              expect(slots).toBe(0);
              expect(["ok", "error"]).toContain(publicState(job.progress));
              return;
            }
            if (job.progress.phase === "finished") answers = [EVENTS.resumed];
          }
          throw new Error(`No end after 400 turns, in ${job.progress.phase}`);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

describe("what the scheduler says about a job that waits there", () => {
  const queued = aJob({ progress: progressIn("queued") });
  const says = (note?: string): JobEvent => ({
    type: "status_observed",
    schedulerJobId: S1,
    status: note === undefined ? { type: "queued" } : { type: "queued", note },
  });
  const noteIn = ({ progress }: Job): string | null => (progress.phase === "queued" ? progress.note : null);

  test("is kept when it is new, and forgotten when it is no longer so", () => {
    const noted = transition(queued, says("Slurm: PENDING (PartitionTimeLimit)"), LATER).job;
    expect(noteIn(noted)).toBe("Slurm: PENDING (PartitionTimeLimit)");
    expect(noted.updatedOnMs).toBe(queued.updatedOnMs);
    expect(transition(noted, says("Slurm: PENDING (PartitionTimeLimit)"), LATER).job).toBe(noted);
    expect(noteIn(transition(noted, says(), LATER).job)).toBeNull();
  });

  test("does not touch a job that was seen running", () => {
    const running = transition(queued, EVENTS.seen_running, LATER).job;
    expect(transition(running, says("Slurm: REQUEUE_HOLD (JobHeldUser)"), LATER).job).toBe(running);
  });
});
