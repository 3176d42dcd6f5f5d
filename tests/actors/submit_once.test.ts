import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { JobDirectoryError } from "../../src/core/errors.ts";
import { type ActorWorld, actorWorld } from "../support/actor_world.ts";
import { controlledScheduler } from "../support/controlled_scheduler.ts";

const ONCE = { key: "k", digest: "d" };

const open = () => actorWorld({ destinations: { local: { scheduler: controlledScheduler() } } });

const submission = (upload: string) => ({
  ...{ name: "a", application: "echo", submitter: "someone", parameters: {} },
  upload,
});

function plantUpload(world: ActorWorld, name: string): void {
  mkdirSync(join(dirname(world.jobRootDir), "uploads", name));
}

describe("submitOnce()", () => {
  test("frees the key when the job could not begin", async () => {
    await using world = await open();
    const lost = world.service.submitOnce(submission("lost"), ONCE);
    await expect(lost).rejects.toBeInstanceOf(JobDirectoryError);
    expect(await world.service.keyed("someone", "k")).toBeUndefined();
    plantUpload(world, "there");
    expect(await world.service.submitOnce(submission("there"), ONCE)).toMatchObject({ type: "submitted" });
  });

  test("leaves the upload of a known submission alone and tells which job it is", async () => {
    await using world = await open();
    plantUpload(world, "one");
    const first = await world.service.submitOnce(submission("one"), ONCE);
    const id = first.type === "submitted" ? first.job.id : 0;
    plantUpload(world, "two");
    const second = await world.service.submitOnce(submission("two"), { ...ONCE, digest: "other" });
    expect(second).toMatchObject({ type: "known", earlier: { id, application: "echo", digest: "d" } });
    expect(await world.service.submitOnce(submission("two"), { ...ONCE, key: "l" })).toMatchObject({
      type: "submitted",
    });
  });
});
