import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "./temp_dir.ts";

/** What an archive holds: content of files, `-> target` of links, `null` for directories, by path with `/` at the end of directories. */
export type Unpacked = Readonly<Record<string, string | null>>;

/** Unpacks an archive with the programs of the machine, as a client would. @throws when they find fault with it */
export function unpacked(archive: Uint8Array, format: string): Unpacked {
  using dir = tempDir();
  const file = join(dir.path, `archive${format}`);
  const target = join(dir.path, "content");
  writeFileSync(file, archive);
  const command =
    format === ".zip" ? ["unzip", "-q", file, "-d", target] : ["tar", "-xf", file, "--one-top-level=content"];
  const [program = "", ...args] = command;
  const { status, stderr } = spawnSync(program, args, { cwd: dir.path });
  // unzip warns about an archive without entries with status 1.
  if (status !== 0 && !(format === ".zip" && String(stderr).includes("zipfile is empty"))) {
    throw new Error(`${command.join(" ")} ended with ${status}: ${stderr}`);
  }
  const found: Record<string, string | null> = {};
  const visit = (prefix: string): void => {
    for (const name of readdirSync(join(target, prefix)).sort()) {
      const info = lstatSync(join(target, prefix, name));
      if (info.isSymbolicLink()) found[prefix + name] = `-> ${readlinkSync(join(target, prefix, name))}`;
      else if (info.isDirectory()) {
        found[`${prefix}${name}/`] = null;
        visit(`${prefix}${name}/`);
      } else found[prefix + name] = readFileSync(join(target, prefix, name), "utf8");
    }
  };
  if (readdirSync(dir.path).includes("content")) visit("");
  return found;
}

/** Paths in the order in which they stand in an archive. */
export function listed(archive: Uint8Array, format: string): readonly string[] {
  using dir = tempDir();
  const file = join(dir.path, `archive${format}`);
  writeFileSync(file, archive);
  const [program, ...args] =
    format === ".zip" ? (["unzip", "-Z1", file] as const) : (["tar", "-tf", file, "--quoting-style=literal"] as const);
  const { stdout } = spawnSync(program, args, { maxBuffer: 2 ** 28 });
  return String(stdout)
    .split("\n")
    .filter((line) => line !== "" && line !== "Empty zipfile.");
}
