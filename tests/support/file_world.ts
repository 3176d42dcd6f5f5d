import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EdgeDeps } from "../../src/http/edge.ts";
import { type EdgeWorld, edgeWorld } from "./edge_world.ts";
import { type Planted, plantTree } from "./planted_tree.ts";
import { type RawAnswer, rawGet } from "./raw_get.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

/** A completed job of alice with files, behind a real server. */
export interface FileWorld extends AsyncDisposable {
  readonly world: EdgeWorld;
  readonly url: string;
  /** `/api/job/<id>`. */
  readonly base: string;
  /** The directory of the job. */
  readonly directory: string;
  /** A directory that does not belong to any job, with `secret.txt` in it. */
  readonly outside: string;
  /** Sends a path below the job's as it is. */
  get(path: string, headers?: Readonly<Record<string, string>>, method?: string): Promise<RawAnswer>;
  /** The same by `fetch`, for streams and for giving up. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

export const SECRET = "the secret outside";

export async function fileWorld(
  tree: Readonly<Record<string, Planted>>,
  changes: Partial<EdgeDeps> = {},
): Promise<FileWorld> {
  const world = await edgeWorld(changes);
  const outer: TempDir = tempDir();
  const outside = join(outer.path, "outside");
  mkdirSync(outside);
  plantTree(outside, { "secret.txt": SECRET, "sub/secret.txt": SECRET });
  const job = world.jobs.plant({});
  const directory = world.jobs.directory(job);
  plantTree(directory, tree);
  const server = world.serve();
  const base = `/api/job/${job.id}`;
  return {
    world,
    url: server.url,
    base,
    directory,
    outside,
    get: (path, headers = {}, method = "GET") =>
      rawGet(server.port, base + path, { ...world.auth(), ...headers }, method),
    fetch: (path, init = {}) =>
      fetch(server.url + base + path, { ...init, headers: { ...world.auth(), ...init.headers } }),
    async [Symbol.asyncDispose]() {
      await server.stop();
      world[Symbol.dispose]();
      outer[Symbol.dispose]();
    },
  };
}
