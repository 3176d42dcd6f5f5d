import { describe, expect, test } from "bun:test";
import { jobId } from "../../src/core/ids.ts";
import type { AdminSearch, AdminStore } from "../../src/ports/admin_store.ts";
import type { JobStore } from "../../src/ports/job_store.ts";
import { T0 } from "../support/job_builder.ts";
import { newJob } from "./job_store_samples.ts";

export type OpenAdminStore = () => Promise<{ readonly store: JobStore; readonly admin: AdminStore } & AsyncDisposable>;

const ANY: AdminSearch = {
  filter: { states: [], destination: "", application: "", submitter: "" },
  sinceMs: 0,
  untilMs: T0 + 1_000_000,
  isUnfinishedOnly: false,
  order: "newest",
};

async function found(admin: AdminStore, changes: Partial<AdminSearch>): Promise<readonly number[]> {
  const ids: number[] = [];
  for await (const jobs of admin.search({ ...ANY, ...changes })) ids.push(...jobs.map(({ id }) => Number(id)));
  return ids;
}

/** Every promise of {@link AdminStore}, to be kept by each adapter. */
export function adminStoreSuite(name: string, open: OpenAdminStore): void {
  describe(`${name} as a store of administrators`, () => {
    test("search() finds jobs of everybody by what they are, in either order", async () => {
      await using world = await open();
      const { store, admin } = world;
      for (const [n, submitter] of ["alice", "bob", "al'ice%"].entries()) {
        await store.insert(newJob({ upload: `u${n}`, submitter, application: n === 1 ? "other" : "wc" }), T0 + n);
      }
      const waiting = await store.get(jobId(2));
      if (waiting === undefined) throw new Error("The job is gone");
      await store.save({ ...waiting, progress: { phase: "waiting", destination: "here", isStaged: false } }, T0);
      expect(await found(admin, {})).toEqual([3, 2, 1]);
      expect(await found(admin, { order: "oldest", isUnfinishedOnly: true })).toEqual([1, 2, 3]);
      const by = (filter: Partial<AdminSearch["filter"]>) => found(admin, { filter: { ...ANY.filter, ...filter } });
      expect(await by({ submitter: "al'ice%" })).toEqual([3]);
      expect(await by({ application: "wc" })).toEqual([3, 1]);
      expect(await by({ destination: "here" })).toEqual([2]);
      expect(await by({ states: ["queued", "ok"] })).toEqual([2]);
      expect(await by({ states: ["staging_out"] })).toEqual([]);
      expect(await found(admin, { sinceMs: T0 + 1, untilMs: T0 + 1 })).toEqual([2]);
      expect(await admin.unfinishedCounts()).toEqual(
        expect.arrayContaining([
          { destination: null, phase: "accepted", count: 2 },
          { destination: "here", phase: "waiting", count: 1 },
        ]),
      );
    });

    test("saveMode() keeps the last mode of each destination", async () => {
      await using world = await open();
      const { admin } = world;
      const drained = { destination: "a", mode: "draining", by: "root", onMs: T0 } as const;
      await admin.saveMode(drained);
      await admin.saveMode({ ...drained, mode: "open", onMs: T0 + 5 });
      await admin.saveMode({ ...drained, destination: "ü b" });
      expect(await admin.modes()).toEqual(
        expect.arrayContaining([
          { destination: "a", mode: "open", by: "root", onMs: T0 + 5 },
          { destination: "ü b", mode: "draining", by: "root", onMs: T0 },
        ]),
      );
    });

    test("saveOrder() keeps the last order of each job, and forgets it with the job", async () => {
      await using world = await open();
      const { store, admin } = world;
      const { id } = await store.insert(newJob({ upload: "u1" }), T0);
      expect(await admin.saveOrder(jobId(99), { isHeld: true, priority: 0 })).toBe(false);
      expect(await admin.saveOrder(id, { isHeld: true, priority: -5 })).toBe(true);
      expect(await admin.saveOrder(id, { isHeld: false, priority: 7 })).toBe(true);
      expect(await admin.orders()).toEqual(new Map([[id, { isHeld: false, priority: 7 }]]));
      await store.remove(id);
      expect(await admin.orders()).toEqual(new Map());
    });

    test("audit() lists what was recorded, newest first", async () => {
      await using world = await open();
      const entry = { onMs: T0, by: "root (claimed)", action: "cancel", target: "job 1", outcome: "it's done" };
      await world.admin.record(entry);
      await world.admin.record({ ...entry, target: "job 2" });
      expect(await world.admin.audit(10)).toEqual([{ ...entry, target: "job 2" }, entry]);
      expect(await world.admin.audit(1)).toHaveLength(1);
    });
  });
}
