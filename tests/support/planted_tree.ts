import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What to make at a path: a file with this content, a link to this target, an empty directory or a FIFO. */
export type Planted = string | Uint8Array | { readonly link: string } | { readonly make: "directory" | "fifo" };

/** Makes files, links and directories below `directory`, with the parents that they need. */
export function plantTree(directory: string, tree: Readonly<Record<string, Planted>>): void {
  for (const [path, planted] of Object.entries(tree)) {
    const place = join(directory, path);
    mkdirSync(dirname(place), { recursive: true });
    if (typeof planted === "string" || planted instanceof Uint8Array) writeFileSync(place, planted);
    else if ("link" in planted) symlinkSync(planted.link, place);
    else if (planted.make === "directory") mkdirSync(place);
    else if (spawnSync("mkfifo", [place]).status !== 0) throw new Error(`mkfifo ${place} failed`);
  }
}
