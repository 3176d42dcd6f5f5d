import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DestinationAwayError, SchedulerUnavailableError } from "../../src/core/errors.ts";
import { actorWorld } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";

const REFUSE = { refusesWhenAway: true };

/** A scheduler that knows by itself whether somebody is there. */
function pushingScheduler() {
  const scheduler = controlledScheduler();
  const state = { isAway: false };
  return Object.assign(state, {
    scheduler: { ...scheduler, absence: () => (state.isAway ? { reason: "It is away", sinceMs: 0 } : undefined) },
  });
}

async function setup(options: { readonly only?: boolean; readonly foresee?: string } = {}) {
  const [strict, lenient] = [pushingScheduler(), pushingScheduler()];
  const picked: string[] = [];
  const choice = { name: "strict" };
  const world = await actorWorld({
    destinations: {
      strict: { scheduler: strict.scheduler, rules: REFUSE },
      ...(options.only === true ? {} : { lenient: { scheduler: lenient.scheduler } }),
    },
    pick: ({ jobDir }) => {
      picked.push(jobDir);
      return choice.name;
    },
    ...(options.foresee === undefined ? {} : { foresee: options.foresee }),
  });
  const upload = "upload-1";
  mkdirSync(join(world.uploadDir, upload));
  const check = (name?: string): Promise<unknown> =>
    world.service.checkDestination("echo", "alice", name).then(
      () => "taken",
      (error: unknown) => error,
    );
  return {
    world,
    strict,
    lenient,
    picked,
    choice,
    upload,
    check,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

describe("when_away: refuse", () => {
  test("takes jobs while the destination answers, and the picker is not asked before its time", async () => {
    await using t = await setup();
    expect(await t.check()).toBe("taken");
    expect(await t.check(t.upload)).toBe("taken");
    expect(t.picked).toEqual([]);
  });

  test("refuses without a look at the upload where the destination is the only one, or known before", async () => {
    for (const options of [{ only: true }, { foresee: "strict" }]) {
      await using t = await setup(options);
      t.strict.isAway = true;
      const error = await t.check();
      expect(error).toBeInstanceOf(DestinationAwayError);
      expect(error).toMatchObject({
        message: 'Destination "strict" does not answer, please try again later',
        retryMs: 5_000,
      });
      t.strict.isAway = false;
      expect(await t.check()).toBe("taken");
      expect(t.picked).toEqual([]);
    }
  });

  test("takes what is known to go to another destination", async () => {
    await using t = await setup({ foresee: "lenient" });
    t.strict.isAway = true;
    t.lenient.isAway = true;
    expect(await t.check()).toBe("taken");
    expect(await t.check(t.upload)).toBe("taken");
    expect(t.picked).toEqual([]);
  });

  test("else asks the picker with the unpacked upload, once for each job", async () => {
    await using t = await setup();
    t.strict.isAway = true;
    expect(await t.check()).toBe("taken");
    expect(t.picked).toEqual([]);
    expect(await t.check(t.upload)).toBeInstanceOf(DestinationAwayError);
    expect(t.picked).toEqual([join(t.world.uploadDir, t.upload)]);
    t.choice.name = "lenient";
    expect(await t.check(t.upload)).toBe("taken");
    // Whatever it would say next.
    t.choice.name = "strict";
    const { id } = await t.world.service.submit({
      ...{ name: "job", application: "echo", submitter: "alice", parameters: {}, upload: t.upload },
    });
    await t.world.until(id, "queued");
    expect((await t.world.store.get(id))?.progress).toMatchObject({ destination: "lenient" });
    expect(t.picked).toHaveLength(2);
  });

  test("a picker that fails is told to the job, as ever", async () => {
    await using t = await setup();
    t.strict.isAway = true;
    t.choice.name = "nowhere";
    expect(await t.check(t.upload)).toBe("taken");
  });

  test("a scheduler that can only be asked is known to be away by the jobs that wait for it, and one job tries when nobody else does", async () => {
    const scheduler = controlledScheduler({ canPush: false });
    await using world = await actorWorld({ destinations: { far: { scheduler, rules: REFUSE } } });
    const check = (): Promise<unknown> =>
      world.service.checkDestination("echo", "alice", undefined).then(
        () => "taken",
        (error: unknown) => error,
      );
    expect(await check()).toBe("taken");
    scheduler.failNext("submit", ...Array<Error>(50).fill(new SchedulerUnavailableError("Connection refused")));
    const { id } = await world.submit();
    await world.eventually(async () => {
      await world.clock.advance(1_000);
      return (await check()) instanceof DestinationAwayError;
    });
    const refused = (await check()) as DestinationAwayError;
    expect(refused.retryMs).toBeGreaterThan(0);
    await world.service.cancel(id, "alice");
    await world.eventually(async () => {
      await world.clock.advance(1_000);
      return (await check()) === "taken";
    });
  });
});
