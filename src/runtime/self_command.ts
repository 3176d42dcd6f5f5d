import { basename } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Where Bun shows what is inside a single executable. */
const BUNDLE = "/$bunfs/";

/** First argument of a single executable that is to run another module than the command line. */
export const BUNDLED_MODULE = "--bundled-module=";

/** How to start this very program once more: executable, then its first arguments. */
export function selfCommand(mainModuleUrl: string): readonly [string, ...string[]] {
  const main = fileURLToPath(mainModuleUrl);
  // All modules of a single executable have the place of the executable; others are asked for by their names.
  if (main.startsWith(BUNDLE)) {
    return main.endsWith(".ts") ? [process.execPath, `${BUNDLED_MODULE}${basename(main, ".ts")}`] : [process.execPath];
  }
  if ("Deno" in globalThis) return [process.execPath, "run", "--allow-all", main];
  return [process.execPath, "--no-env-file", main];
}

/** `Bun 1.4.5` or the like, for the log and `--version`. */
export function runtimeName(): string {
  const { Bun, Deno } = globalThis as unknown as {
    readonly Bun?: { readonly version: string };
    readonly Deno?: { readonly version: { readonly deno: string } };
  };
  if (Bun !== undefined) return `Bun ${Bun.version}`;
  return Deno === undefined ? `Node ${process.version}` : `Deno ${Deno.version.deno}`;
}
