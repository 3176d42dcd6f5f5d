import { describe, expect, test } from "bun:test";
import { destinationName } from "../../actors/messages.ts";
import { SchedulerUnavailableError } from "../../src/core/errors.ts";
import { schedulerJobId } from "../../src/core/ids.ts";
import type { Job } from "../../src/core/job.ts";
import { type ActorWorld, actorWorld } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";
import { SUCCEEDED } from "../support/job_builder.ts";

async function setup(capacity?: number) {
  const scheduler = controlledScheduler(capacity === undefined ? {} : { capacity });
  const world = await actorWorld({ destinations: { here: { scheduler } } });
  return { scheduler, world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

async function described(world: ActorWorld, ...jobs: readonly Job[]) {
  const rows = await Promise.all(jobs.map(async ({ id }) => (await world.store.get(id)) as Job));
  return world.service.describe(rows);
}

describe("describe()", () => {
  test("tells the place in the queue for a run slot, fair between submitters, and null without one", async () => {
    await using t = await setup(1);
    const running = await t.world.submit("alice");
    await t.world.until(running.id, "queued");
    const [second, third] = [await t.world.submit("alice"), await t.world.submit("alice")];
    const other = await t.world.submit("bob");
    for (const { id } of [second, third, other]) await t.world.until(id, "waiting");
    const place = async () => (await described(t.world, running, second, third, other)).map((one) => one.queuePosition);
    expect(await place()).toEqual([null, 2, 3, 1]);
    t.scheduler.end(schedulerJobId(`s-${t.scheduler.submitted[0]?.tag}`), SUCCEEDED);
    await t.world.until(other.id, "queued");
    expect(await place()).toEqual([null, 1, 2, null]);
  });

  test("keeps the order of the jobs, and asks for none when there are none", async () => {
    await using t = await setup();
    const jobs = [await t.world.submit(), await t.world.submit()];
    expect((await t.world.service.describe(jobs)).map(({ job }) => job)).toEqual(jobs);
    expect(await t.world.service.describe([])).toEqual([]);
  });

  test("leaves the place out after 200 ms when the destination does not answer", async () => {
    await using t = await setup(1);
    const [running, waiting] = [await t.world.submit(), await t.world.submit()];
    await t.world.until(running.id, "queued");
    await t.world.until(waiting.id, "waiting");
    const slots = t.world.system.find(destinationName("here"));
    if (slots === undefined) throw new Error("The destination has no actor");
    const held = Promise.withResolvers<void>();
    // Busy with a question whose answer it may not give away before the other is due.
    slots.send({ type: "describe", reply: () => held.promise as unknown as undefined });
    const asked = described(t.world, waiting);
    await t.world.eventually(() => t.world.clock.nextInMs() === 200);
    await t.world.clock.advance(200);
    expect(await asked).toMatchObject([{ queuePosition: null, reason: null }]);
    held.resolve();
    expect(await described(t.world, waiting)).toMatchObject([{ queuePosition: 1 }]);
  });

  test("tells what failed and when it is tried again, until it succeeds", async () => {
    await using t = await setup();
    t.scheduler.failNext("submit", new SchedulerUnavailableError("No answer from the scheduler"));
    const job = await t.world.submit();
    await t.world.eventually(() => t.world.clock.nextInMs() === 1_000);
    const due = new Date(t.world.clock.nowMs() + 1_000).toISOString().slice(0, 19);
    expect(await described(t.world, job)).toMatchObject([
      { reason: `The job could not be submitted: No answer from the scheduler; next try at ${due}Z` },
    ]);
    await t.world.clock.advance(1_000);
    const queued = await t.world.until(job.id, "queued");
    expect(queued.submittedOnMs).toBe(t.world.clock.nowMs());
    expect(await described(t.world, job)).toMatchObject([{ reason: null }]);
  });

  test("names a destination that is not configured any more", async () => {
    await using t = await setup();
    const job = await t.world.store.insert(
      { name: "", application: "echo", submitter: "alice", parameters: {}, upload: "unused" },
      t.world.clock.nowMs(),
    );
    const progress = { phase: "waiting", destination: "gone", isStaged: false } as const;
    const waiting = await t.world.store.save({ ...job, progress }, t.world.clock.nowMs());
    expect(await t.world.service.describe([waiting])).toEqual([
      {
        job: waiting,
        reason: 'Destination "gone" is not configured any more; the job waits for it',
        queuePosition: null,
      },
    ]);
  });
});
