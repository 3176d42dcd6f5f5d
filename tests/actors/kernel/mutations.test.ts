import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Change, mutatedCopy } from "../../support/mutated_copy.ts";

/** As many programs as the explorer runs by default. */
const PROGRAMS = 2_500;
/** What the copy needs to run. */
const FOLDERS = ["actors/kernel", "src/ports", "tests/actors/kernel/explorer", "tests/support/seeded_random.ts"];

interface Mutation extends Change {
  readonly fault: string;
}

/** Faults that somebody could make in the kernel. Each has to be found, else the explorer proves nothing. */
const MUTATIONS: readonly Mutation[] = [
  {
    fault: "a crashed child is not started again",
    file: "supervisor.ts",
    from: "wantsRestart(child.restart, reason)) {",
    to: `wantsRestart(child.restart, reason) && reason.type !== "crashed") {`,
  },
  {
    fault: "children stop from first to last",
    file: "supervision.ts",
    from: "const toStop = slots.findLast(",
    to: "const toStop = slots.find(",
  },
  {
    fault: "children start before those before them run",
    file: "supervisor.ts",
    from: `this.spec.strategy === "one_for_one" && this.#state === "running"`,
    to: `this.spec.strategy === "one_for_one"`,
  },
  {
    fault: "rest_for_one restarts those before the crashed child",
    file: "supervision.ts",
    from: "return index >= crashed;",
    to: "return index <= crashed;",
  },
  {
    fault: "one_for_all restarts only the crashed child",
    file: "supervision.ts",
    from: "return true;",
    to: "return index === crashed;",
  },
  {
    fault: "siblings are stopped all at once",
    file: "supervision.ts",
    from: `slot.goal !== "run" && slot.state !== "stopped"`,
    to: `slot.goal !== "run" && (slot.state === "running" || slot.state === "starting")`,
  },
  {
    fault: "a transient child is restarted after a normal end",
    file: "supervision.ts",
    from: `(policy === "transient" && reason.type === "crashed")`,
    to: `policy === "transient"`,
  },
  {
    fault: "one restart too many is allowed",
    file: "restart_budget.ts",
    from: "recentMs.length >= budget.maxRestarts",
    to: "recentMs.length > budget.maxRestarts",
  },
  {
    fault: "restarts of long ago count for ever",
    file: "restart_budget.ts",
    from: "dueMs > nowMs - budget.withinMs",
    to: "dueMs > -1",
  },
  {
    fault: "the back-off does not grow",
    file: "restart_budget.ts",
    from: "initialMs * factor ** streak",
    to: "initialMs * factor",
  },
  {
    fault: "a dynamic child that is given up is told to nobody",
    file: "dynamic_supervisor.ts",
    from: "Promise.try(() => this.spec.onExhausted(id, fault))",
    to: "Promise.resolve()",
  },
  {
    fault: "a watch is forgotten when the watched actor crashes",
    file: "actor_cell.ts",
    from: "    this.#tellListeners(reason);\n    this.#owner",
    to: `    if (reason.type === "crashed") this.#listeners = undefined;\n    this.#tellListeners(reason);\n    this.#owner`,
  },
  {
    fault: "a watch of a dead actor is not answered",
    file: "actor_cell.ts",
    from: "listener(this.#lastExit);\n      return;",
    to: "return;",
  },
  {
    fault: "an end arrives after unwatch",
    file: "belongings.ts",
    from: "    this.#owner.mailbox.withdraw(ref);",
    to: "",
  },
  {
    fault: "an answer that comes too late vanishes",
    file: "belongings.ts",
    from: `if (outcome.isOk) kernel.deadLetters.record(self.path, outcome.value, "late_answer");\n    else if (`,
    to: `if (outcome.isOk) return this.#owner.schedule();\n    if (`,
  },
  {
    fault: "timers outlive their actor",
    file: "belongings.ts",
    from: "this.#timers?.cancelAll();",
    to: "",
  },
  {
    fault: "a cancelled timer that was due still arrives",
    file: "belongings.ts",
    from: "this.#timers?.cancel(key);\n    this.#owner.mailbox.withdraw(key);",
    to: "this.#timers?.cancel(key);",
  },
  {
    fault: "effects are not aborted",
    file: "belongings.ts",
    from: "this.#effects?.abortAll(new ActorEndedError(self.path));",
    to: "",
  },
  {
    fault: "an actor is restarted while effects of its last life run",
    file: "incarnation.ts",
    from: "if (!this.#isBusy && this.#belongings.runningEffects === 0) this.#finish(reason);",
    to: "if (!this.#isBusy) this.#finish(reason);",
  },
  {
    fault: "a second message is handled beside one that waits",
    file: "incarnation.ts",
    from: "this.#isBusy = true;",
    to: "this.#isBusy = false;",
  },
  {
    fault: "a message is handled twice",
    file: "mailbox.ts",
    from: "    this.#messages.push(message);",
    to: "    if (this.#messages.length === 0) this.#messages.push(message);\n    this.#messages.push(message);",
  },
  {
    fault: "the message that crashed an actor is handled again",
    file: "incarnation.ts",
    from: "() => {},\n        (error) => this.crash(error),",
    to: "() => {},\n        (error) => {\n          this.mailbox.offer(message);\n          this.crash(error);\n        },",
  },
  {
    fault: "a full mailbox takes one more",
    file: "mailbox.ts",
    from: "this.#messages.length >= this.#size",
    to: "this.#messages.length > this.#size",
  },
  {
    fault: "messages overtake notices",
    file: "mailbox.ts",
    from: "const notice = this.#notices?.shift();",
    to: "const notice = this.#messages?.length ? undefined : this.#notices?.shift();",
  },
  {
    fault: "messages are lost at a restart",
    file: "actor_cell.ts",
    from: "this.#life = undefined;",
    to: "this.#life = undefined;\n    this.mailbox.drainMessages();",
  },
  {
    fault: "messages are lost when the supervisor crashes too",
    file: "supervisor.ts",
    from: `this.#end({ type: "crashed", error });`,
    to: `this.#end({ type: "crashed", error });\n      slot.child.retire();`,
  },
  {
    fault: "a failure of an asynchronous handler is swallowed",
    file: "incarnation.ts",
    from: "else this.#resume(() => onFailed(error));",
    to: "else this.#resume(() => {});",
  },
  {
    fault: "the shutdown deadline is ignored",
    file: "incarnation.ts",
    from: "this.#cancelDeadline ??= this.kernel.clock.after(",
    to: "this.#cancelDeadline ??= ((_ms: number, _run: () => void) => () => {})(",
  },
  {
    fault: "a name is not freed",
    file: "actor_cell.ts",
    from: "if (this.spec.name !== undefined) this.kernel.registry.release(this.spec.name, this);",
    to: "",
  },
];

test.each(MUTATIONS.map((mutation) => [mutation.fault, mutation] as const))(
  "the explorer finds out when %s",
  (_fault, mutation) => {
    using dir = mutatedCopy([{ ...mutation, file: join("actors/kernel", mutation.file) }], FOLDERS);
    const main = join(dir.path, "tests/actors/kernel/explorer/main.ts");
    const run = spawnSync(process.execPath, [main, "1", String(PROGRAMS), "--brief"], {
      encoding: "utf8",
      timeout: 60_000,
    });
    expect(run.stdout).toStartWith("seed ");
    expect(run.status).toBe(1);
  },
  60_000,
);
