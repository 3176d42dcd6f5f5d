import { expect, test } from "bun:test";
import { type Submission, type SubmissionAnswer, sbatchAnswers } from "../../../../adapters/scheduler/slurm/sbatch.ts";
import { submissionQueue } from "../../../../adapters/scheduler/slurm/submission_queue.ts";
import { SchedulerRefusedError, SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { ManualClock } from "../../../support/manual_clock.ts";

const { signal } = new AbortController();

/** A command that a test lets answer; the real one cannot be held at a given moment. */
interface Command {
  readonly names: readonly string[];
  answer(...answers: readonly SubmissionAnswer[]): Promise<void>;
}

function setup() {
  const commands: Command[] = [];
  const clock = new ManualClock();
  const hand = submissionQueue({
    submit: (submissions) =>
      new Promise((resolve) => {
        commands.push({
          names: submissions.map(({ script }) => script),
          async answer(...answers) {
            resolve(answers);
            await settled();
          },
        });
      }),
    clock,
    closed: signal,
  });
  const submit = (name: string, abort = signal): Promise<SubmissionAnswer> => hand(submissionOf(name), abort);
  return { commands, clock, submit };
}

const submissionOf = (name: string): Submission => ({ script: name, args: [], directory: "/" });
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};
const taken = (number: number): SubmissionAnswer => ({ type: "taken", number });
const refused: SubmissionAnswer = { type: "refused", error: new SchedulerRefusedError("No such partition") };

test("what comes while a command runs goes together into the next one, in its order", async () => {
  const { commands, submit } = setup();
  const first = submit("a");
  const others = ["b", "c"].map((name) => submit(name));
  expect(commands.map(({ names }) => names)).toEqual([["a"]]);
  await commands[0]?.answer(taken(1));
  expect(await first).toEqual(taken(1));
  expect(commands[1]?.names).toEqual(["b", "c"]);
  await commands[1]?.answer(taken(2), taken(3));
  expect(await Promise.all(others)).toEqual([taken(2), taken(3)]);
});

test("never more than four commands run, with eight jobs each at most", () => {
  const { commands, submit } = setup();
  for (let n = 0; n < 100; n++) void submit(String(n));
  expect(commands.length).toBe(4);
  expect(Math.max(...commands.map(({ names }) => names.length))).toBeLessThanOrEqual(8);
});

test("those behind a refused one are submitted anew, before later ones", async () => {
  const { commands, submit } = setup();
  void submit("a");
  const [bad, good] = [submit("b"), submit("c")];
  await commands[0]?.answer(taken(1));
  void submit("d");
  await commands[1]?.answer(refused);
  expect(await bad).toEqual(refused);
  expect(commands[2]?.names).toEqual(["c", "d"]);
  await commands[2]?.answer(taken(2), taken(3));
  expect(await good).toEqual(taken(2));
});

test("one that is called off while it waits was not submitted, and is not", async () => {
  const { commands, submit } = setup();
  void submit("a");
  const abort = new AbortController();
  const called = submit("b", abort.signal);
  abort.abort();
  expect((await called).type).toBe("untold");
  await commands[0]?.answer(taken(1));
  expect(commands.length).toBe(1);
});

test("one that is called off while its command runs may have got through, and is not submitted anew", async () => {
  const { commands, submit } = setup();
  void submit("a");
  const abort = new AbortController();
  void submit("b");
  const called = submit("c", abort.signal);
  await commands[0]?.answer(taken(1));
  abort.abort();
  expect((await called).type).toBe("unanswered");
  await commands[1]?.answer(refused);
  expect(commands.length).toBe(2);
});

test("a slow controller gets few jobs in one command", async () => {
  const { commands, clock, submit } = setup();
  void submit("a");
  for (let n = 0; n < 3; n++) void submit(String(n));
  await clock.advance(1_000);
  await commands[0]?.answer(taken(1));
  expect(commands[1]?.names.length).toBe(2);
});

test("where sbatch gave no answer, the jobs behind were not told to Slurm", () => {
  const output = (text: string) => ({ text, isTruncated: false });
  const result = {
    returnCode: 0,
    isTimedOut: false,
    stdout: output("7\n\x1e0\n\x1e1\n"),
    stderr: output("\x1e\nsbatch: error: Unable to contact slurm controller\n\x1e\n"),
  };
  const answers = sbatchAnswers(3, result);
  expect(answers.map(({ type }) => type)).toEqual(["taken", "unanswered", "untold"]);
  expect(answers[2]).toHaveProperty("error", expect.any(SchedulerUnavailableError));
  const cut = sbatchAnswers(3, { ...result, isTimedOut: true, returnCode: -15, stdout: output("7\n\x1e0\n") });
  expect(cut.map(({ type }) => type)).toEqual(["taken", "unanswered", "unanswered"]);
});
