import { describe, expect, test } from "bun:test";
import { basename } from "node:path";
import { credentialName } from "../../actors/credential_messages.ts";
import { type HealthDescription, healthName } from "../../actors/health_messages.ts";
import type { ActorRef } from "../../actors/kernel/actor.ts";
import type { Name } from "../../actors/kernel/registry.ts";
import { DESTINATIONS } from "../../actors/tree.ts";
import { paint } from "../../src/console/paint.ts";
import { showStatus } from "../../src/console/show_status.ts";
import { SchedulerUnavailableError } from "../../src/core/errors.ts";
import type { JobId } from "../../src/core/ids.ts";
import { type ActorWorld, actorWorld } from "../support/actor_world.ts";
import { controlledCredential } from "../support/controlled_credential.ts";
import { type ControlledScheduler, controlledScheduler } from "../support/controlled_scheduler.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";

const DAY_S = 86_400;

/** Two destinations of one grid and one of this machine. */
async function setup(refusal?: string, isSlow = false) {
  /** Of the first job, the second and so on. */
  const picked: string[] = [];
  const clock = new ManualClock();
  const credential = controlledCredential(clock, DAY_S);
  credential.refusal = refusal;
  if (isSlow) credential.hold();
  const [grid, other, near, mixed] = [
    controlledScheduler(),
    controlledScheduler(),
    controlledScheduler(),
    controlledScheduler(),
  ];
  const world: ActorWorld = await actorWorld({
    clock,
    destinations: {
      grid: { scheduler: grid, credentials: { scheduler: [credential], file_system: [credential] } },
      other: { scheduler: other, credentials: { scheduler: [credential], file_system: [credential] } },
      near: { scheduler: near },
      // Its files are on the grid, its commands are not.
      mixed: { scheduler: mixed, credentials: { file_system: [credential] } },
    },
    pick: ({ jobDir }) => picked[Number(basename(jobDir)) - 1] ?? "",
  });
  return {
    ...{ world, credential, grid, other, near, mixed },
    submitTo(destination: string) {
      picked.push(destination);
      return world.submit();
    },
    health: (name: string): Promise<HealthDescription> =>
      new Promise((reply) => world.system.find(healthName(name))?.send({ type: "describe", reply })),
    reason: async (id: JobId) =>
      (await world.service.describe([(await world.store.get(id)) ?? expect.unreachable()]))[0]?.reason,
    status: async () => showStatus(await world.admin.status(), paint(false)),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

const hasJob = (scheduler: ControlledScheduler) => () => scheduler.submitted.length > 0;

describe("a destination that needs a credential", () => {
  test("has it made before its first job is tried, and once for all destinations that share it", async () => {
    await using t = await setup();
    await t.submitTo("grid");
    await t.submitTo("other");
    await t.world.eventually(hasJob(t.grid));
    await t.world.eventually(hasJob(t.other));
    expect(t.credential.calls.make).toBe(1);
    expect(await t.health("grid")).toMatchObject({ credential: { state: "valid", trouble: null } });
    expect(await t.health("near")).not.toHaveProperty("credential");
  });

  test("keeps its jobs, with the reason, while it is refused; others are not touched, and all go on by themselves", async () => {
    await using t = await setup("Bad passphrase: correct proxy.password");
    const job = await t.submitTo("grid");
    await t.world.eventually(async () => (await t.health("grid")).credential?.state === "lost");
    await t.submitTo("near");
    await t.world.eventually(hasJob(t.near));
    await t.world.until(job.id, "submitting");
    await t.world.clock.advance(3_600_000);
    expect(t.grid.calls.submit).toBe(0);
    expect(await t.reason(job.id)).toMatch(/^Destination "grid" is degraded: Bad passphrase.*; next try at 2022-/);
    expect((await t.world.admin.why(job.id))?.text).toMatch(/Its proxy has not been usable for 1 h: Bad passphrase/);
    const status = await t.status();
    expect(status).toMatch(/^grid +open +degraded/m);
    expect(status).toMatch(/^near +open +healthy/m);
    expect(status).toMatch(/! grid: its test proxy has not been usable for 1 h: Bad passphrase.*1 job waiting for it/);

    t.credential.refusal = undefined;
    await t.world.clock.advance(300_000);
    await t.world.eventually(hasJob(t.grid));
    expect(await t.status()).toContain("Everything is well.");
    const events = t.world.admin.recentEvents().filter(({ subject }) => subject === "destination grid");
    expect(events.map(({ text }) => text)).toEqual([
      "its credential cannot be used: Bad passphrase: correct proxy.password",
      "its credential can be used again",
    ]);
  });

  test("holds back no other destination while the credential takes forever to be made", async () => {
    await using t = await setup(undefined, true);
    await t.submitTo("grid");
    await t.submitTo("near");
    await t.world.eventually(hasJob(t.near));
    expect(t.grid.calls.submit).toBe(0);
  });

  test("only for its files uses its scheduler all the same", async () => {
    await using t = await setup("Refused");
    await t.world.eventually(async () => (await t.health("mixed")).credential?.state === "lost");
    const job = await t.submitTo("mixed");
    await t.world.until(job.id, "queued");
    expect(await t.reason(job.id)).toBeNull();
    expect((await t.health("mixed")).credential).toMatchObject({ parts: ["file_system"] });
  });

  test("renews it before its end without anybody noticing", async () => {
    await using t = await setup();
    await t.world.eventually(async () => (await t.health("grid")).credential?.state === "valid");
    await t.world.clock.advance((DAY_S - 1_800) * 1000 - 2_000);
    expect(t.credential.calls.make).toBe(1);
    await t.world.clock.advance(4_000);
    expect(t.credential.calls.make).toBe(2);
    expect((await t.health("grid")).credential).toMatchObject({ state: "valid" });
    expect(t.world.logger.lines.filter(({ level }) => level === "warn")).toEqual([]);
  });

  test("says in time that it cannot be renewed, once, and is degraded from its end on", async () => {
    await using t = await setup("Cannot load certificate");
    t.credential.last(DAY_S);
    // The keeper has looked already, and looks again within its back-off.
    await t.world.clock.advance(300_000);
    const job = await t.submitTo("grid");
    await t.world.until(job.id, "queued");
    await t.world.clock.advance((DAY_S - 1_800 - 240) * 1000);
    expect(await t.status()).toMatch(/! grid: its test proxy ends in \d+ min and could not be renewed: Cannot load/);
    expect((await t.health("grid")).credential).toMatchObject({ state: "valid", trouble: "Cannot load certificate" });
    const warnings = t.world.logger.lines.filter(({ message }) => message.includes("could not be renewed"));
    expect(warnings).toHaveLength(1);
    const asked = t.grid.calls.statuses;
    await t.world.clock.advance(1_800_000);
    expect((await t.health("grid")).credential).toMatchObject({ state: "lost" });
    await t.world.clock.advance(3_600_000);
    // Not asked again and again without a proxy.
    expect(t.grid.calls.statuses - asked).toBeLessThan(70);
    expect((await t.world.store.get(job.id))?.progress.phase).toBe("queued");
    t.credential.last(DAY_S);
    await t.world.clock.advance(400_000);
    expect(await t.health("grid")).toMatchObject({ credential: { state: "valid" }, scheduler: { state: "healthy" } });
  });

  test("does not take faults for those of the scheduler while the credential cannot be used", async () => {
    await using t = await setup();
    const job = await t.submitTo("grid");
    await t.world.until(job.id, "queued");
    const release = t.grid.hold("cancel");
    const cancelled = t.world.service.cancel(job.id, "alice");
    await t.world.until(job.id, "cancelling");
    t.credential.refusal = "Refused";
    t.credential.last(0);
    await t.world.clock.advance(600_000);
    t.grid.failNext("cancel", ...[1, 2, 3].map(() => new SchedulerUnavailableError("Proxy is expired")));
    release();
    await settle();
    expect(await t.health("grid")).toMatchObject({ credential: { state: "lost" }, scheduler: { state: "healthy" } });
    await cancelled;
  });
});

describe("the keeper of a credential", () => {
  const isKept = (world: ActorWorld): boolean => world.system.find(credentialName("grid")) !== undefined;

  test("ends with the last destination that needs it, and comes with the next", async () => {
    await using t = await setup();
    const destinations = t.world.system.find(DESTINATIONS) ?? expect.unreachable();
    await t.world.eventually(() => isKept(t.world));
    await destinations.removeChild("destination:grid");
    await settle();
    expect(isKept(t.world)).toBe(true);
    for (const name of ["other", "mixed"]) await destinations.removeChild(`destination:${name}`);
    await t.world.eventually(() => !isKept(t.world));
  });

  test("that crashes is started again, and its followers find it", async () => {
    await using t = await setup();
    await t.world.eventually(async () => (await t.health("grid")).credential?.state === "valid");
    const keeper = t.world.system.find(credentialName("grid") as Name<ActorRef<unknown>>);
    keeper?.send({ type: "planted fault" });
    await t.world.clock.advance(2_000);
    t.credential.refusal = "Refused";
    t.credential.last(0);
    await t.world.clock.advance(900_000);
    expect((await t.health("grid")).credential).toMatchObject({ state: "lost", reason: "Refused" });
    expect((await t.health("other")).credential).toMatchObject({ state: "lost", reason: "Refused" });
  });
});
