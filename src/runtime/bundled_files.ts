import { readFile } from "node:fs/promises";

/** Files of packages inside a single executable: their names are `<package>/<path>`, their values where they are. */
const places = new Map<string, string>();

/** Called once by the entry of a single executable. */
export function registerBundledFiles(files: Readonly<Record<string, string>>): void {
  for (const [name, place] of Object.entries(files)) places.set(name, place);
}

/** The content of a file of a package, when this is a single executable that has it; else undefined. */
export async function bundledFile(name: string): Promise<Uint8Array | undefined> {
  const place = places.get(name);
  return place === undefined ? undefined : await readFile(place);
}
