import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openPerformerHome } from "../../../../adapters/scheduler/redis/performer_home.ts";
import { tempDir } from "../../../support/temp_dir.ts";

test("a performer takes the home of one that was killed before one that was left in order, else the first", async () => {
  using dir = tempDir();
  const open = () => openPerformerHome(dir.path, "host");
  const homes = [await open(), await open(), await open()];
  expect(homes.map(({ directory }) => directory)).toEqual(["1", "2", "3"].map((name) => join(dir.path, name)));
  const killed = join(homes[1]?.controlDir ?? "", "tag-1-1");
  mkdirSync(killed);
  for (const home of homes) await home.release();
  const next = [await open(), await open(), await open(), await open()];
  expect(next.map(({ directory }) => directory)).toEqual(["2", "1", "3", "4"].map((name) => join(dir.path, name)));
  expect(next[0]?.performer).toBe(homes[1]?.performer ?? "");
  expect(next[0]?.records() as readonly string[]).toEqual(["tag-1-1"]);
  for (const home of next) await home.release();
});

test("a performer keeps its name on its host, and gets another one where its home was copied to another host", async () => {
  using dir = tempDir();
  const nameOn = async (host: string): Promise<string> => {
    const home = await openPerformerHome(dir.path, host);
    await home.release();
    return home.performer;
  };
  const first = await nameOn("node 7");
  expect(first).toMatch(/^node_7-[0-9a-f]{12}$/);
  expect(await nameOn("node 7")).toBe(first);
  expect(await nameOn("node")).toMatch(/^node-[0-9a-f]{12}$/);
});
