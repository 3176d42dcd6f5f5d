import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Change, mutatedCopy } from "../support/mutated_copy.ts";

/** Most are found within a hundred; what takes a rare meeting of faults, within this many. */
const SEEDS = 20_000;
/** What the copy needs to run. */
const FOLDERS = [
  "actors",
  "src/core",
  "src/ports",
  "tests/simulation",
  "tests/support/seeded_random.ts",
  "tests/support/application_builder.ts",
];

interface Mutation extends Change {
  readonly fault: string;
  /** Where the search begins: little before the first seed that finds a rare meeting of faults, as long as nothing changes. */
  readonly fromSeed?: number;
}

/** Faults that somebody could make in Bartender. Each has to be found, else the simulation proves nothing. */
const MUTATIONS: readonly Mutation[] = [
  {
    fault: "the number of an attempt is not saved before the scheduler is asked",
    file: "actors/job_behaviour.ts",
    from: "this.#job = await this.#save(step.job);",
    to: `this.#job = step.job.progress.phase === "submitting" ? step.job : await this.#save(step.job);`,
  },
  {
    fault: "a job acts before it saves",
    file: "actors/job_behaviour.ts",
    from: "this.#job = await this.#save(step.job);",
    to: "this.#job = step.job;\n      for (const effect of step.effects) this.#start(effect);\n      this.#job = await this.#save(step.job);",
  },
  {
    fault: "a run slot is not given back",
    file: "actors/destination_actor.ts",
    from: "      ledger.release(id);\n",
    to: "",
  },
  {
    fault: "a run slot comes back when the actor of its job crashes",
    file: "actors/destination_actor.ts",
    from: "return ledger.isHolder(message.id) ? adopt(message.id) : leave(message.id);",
    to: "return leave(message.id);",
  },
  {
    fault: "slots are granted before those who hold one have spoken",
    file: "actors/destination_actor.ts",
    from: `if (suspects.size > 0 || modes.of(name) !== "open") return;`,
    to: "",
    fromSeed: 4600,
  },
  {
    fault: "run slots that are held are not counted after a restart",
    file: "actors/destination_actor.ts",
    from: "      ledger.occupy(job.id, job.submitter);\n      adopt(job.id);",
    to: "",
  },
  {
    fault: "a submission without an answer is not looked for before its job is called cancelled",
    file: "src/core/job_transition.ts",
    from: `return effects(job, { type: now.cancellation === null ? "submit" : "find", placement, attempt: job.attempt });`,
    to: `if (now.cancellation !== null) return endEarly(job, now.cancellation, nowMs);\n      return effects(job, { type: "submit", placement, attempt: job.attempt });`,
  },
  {
    fault: "one look-up in vain is proof enough",
    file: "src/core/job_transition.ts",
    from: "export const ABSENCES = 6;",
    to: "export const ABSENCES = 1;",
    fromSeed: 2600,
  },
  {
    fault: "a submission is repeated under another tag",
    file: "actors/job_effects.ts",
    from: "    tagOf(world, job, attempt),\n    signal,\n  );\n  if (scheduler.listen",
    to: "    tagOf(world, job, attempt + (world.tries = 1 - (world.tries ?? 1))),\n    signal,\n  );\n  if (scheduler.listen",
  },
  {
    fault: "no answer of the scheduler is taken for a refusal",
    file: "src/core/job_transition.ts",
    from: "if (event.fault.retryable) return retryLater(job, event);",
    to: "",
  },
  {
    fault: "a job that the scheduler does not know is taken for ended",
    file: "actors/status_poller.ts",
    from: "report(message.statuses, message.asked);",
    to: `const gone = { type: "ended", outcome: { isOk: false, returnCode: null, reason: "lost" } } as const;\n            report(new Map([...message.asked.keys()].map((id) => [id, message.statuses.get(id) ?? gone])), message.asked);`,
  },
  {
    fault: "the end of a command is not waited for",
    file: "actors/job_effects.ts",
    from: "return destinationOf(world, placement).scheduler.cancel(schedulerJobId, signal);",
    to: "destinationOf(world, placement).scheduler.cancel(schedulerJobId, signal).catch(() => {});\n  return Promise.resolve();",
  },
  {
    fault: "the remote copy stays",
    file: "actors/job_effects.ts",
    from: "await fileSystem.remove(fileSystem.locate(job.id, world.files.directory(job.id)), signal);",
    to: "",
  },
  {
    fault: "a cancellation is kept in memory only",
    file: "src/core/job_step.ts",
    from: "return isNews ? remember(job, { ...now, cancellation }, nowMs) : ignore(job);",
    to: "return ignore(job);",
  },
  {
    fault: "a deletion is told to be done before it is recorded",
    file: "actors/job_service.ts",
    from: "return await recorded(id);",
    to: `return "deleted";`,
    fromSeed: 1800,
  },
  {
    fault: "jobs that copy their output back are forgotten at a restart",
    file: "actors/job_directory.ts",
    from: `return progress.phase === "accepted" && this.#submitting.has(progress.upload);`,
    to: `return progress.phase === "staging_out" || (progress.phase === "accepted" && this.#submitting.has(progress.upload));`,
  },
  {
    fault: "a job that is given up leaves its command running",
    file: "actors/job_directory.ts",
    from: "await this.#endCommand(job);",
    to: "",
  },
  {
    fault: "jobs are not told that the actors of their destination started anew",
    file: "actors/announcer.ts",
    from: `ctx.find(jobName(job.id))?.send({ type: "destination_restarted" });`,
    to: "",
  },
  {
    fault: "an outage of the store uses up the restarts of jobs",
    file: "actors/patience.ts",
    from: "if (!(error instanceof StoreUnavailableError)) throw error;",
    to: "throw error;",
  },
  {
    fault: "a running job goes back to the queue with its scheduler",
    file: "src/core/job_transition.ts",
    from: `return now.phase === "running" || now.note === note ? ignore(job) : advance(job, { ...now, note }, nowMs);`,
    to: `return advance(job, { phase: "queued", ...placement, schedulerJobId, rerun: null, note }, nowMs);`,
  },
];

test.each(MUTATIONS.map((mutation) => [mutation.fault, mutation] as const))(
  "the simulation finds out when %s",
  (_fault, mutation) => {
    using dir = mutatedCopy([mutation], FOLDERS);
    const main = join(dir.path, "tests/simulation/main.ts");
    const seeds = ["--from", String(mutation.fromSeed ?? 1), "--seeds", String(SEEDS)];
    const run = spawnSync(process.execPath, [main, ...seeds, "--first"], {
      encoding: "utf8",
      timeout: 300_000,
    });
    expect(run.stdout).toStartWith("seed ");
    expect(run.status).toBe(1);
  },
  300_000,
);
