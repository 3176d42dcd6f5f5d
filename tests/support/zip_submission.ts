import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { edgeWorld, uploadForm } from "./edge_world.ts";
import type { ZipEntrySpec } from "./zip_builder.ts";

/**
 * Submits `archive`; a refusal must leave nothing behind and count as the client's fault.
 *
 * @returns the paths that the job got, sorted, or status and detail of the refusal
 */
export async function submitZip(
  archive: Uint8Array<ArrayBuffer>,
  wantsDistinctNames = false,
): Promise<readonly unknown[]> {
  using world = await edgeWorld({
    limits: { maxUploadBytes: 1e9, maxExpandedBytes: 1e9, maxEntries: 200_000, maxRatio: 1000, wantsDistinctNames },
  });
  const answer = await world.app.request("/api/application/any", {
    method: "PUT",
    headers: world.auth(),
    body: uploadForm(archive),
  });
  const text = await answer.text();
  if (answer.status === 303) return readdirSync(join(world.jobs.jobRootDir, "1"), { recursive: true }).sort();
  expect(world.leftovers()).toEqual([]);
  expect(world.jobs.rows.size).toBe(0);
  expect(world.logger.lines.filter(({ level }) => level === "error")).toEqual([]);
  return [answer.status, JSON.parse(text).detail];
}

/** The refusal because of one entry. */
export function entryRefused(name: string, reason: string): readonly unknown[] {
  return [422, `Archive entry ${JSON.stringify(name)} ${reason}`];
}

/** The refusal of a whole archive. */
export function archiveRefused(reason: string): readonly unknown[] {
  return [422, `Uploaded file is not a valid zip archive: ${reason}`];
}

/** The refusal because of an entry's data. */
export function dataRefused(name: string): readonly unknown[] {
  return archiveRefused(`the data of entry ${JSON.stringify(name)} is damaged`);
}

/** A text file for an archive. */
export function textFile(name: string, content = "x"): ZipEntrySpec {
  return { name, content };
}
