import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TempDir, tempDir } from "./temp_dir.ts";

/** A paragraph of the database of dpkg(1): its fields, and the whole of it. */
interface Package {
  readonly name: string;
  readonly text: string;
  field(name: string): string;
}

const DPKG = "/var/lib/dpkg";
/** Nobody reads there. */
const LEFT_OUT = /^\/usr\/share\/(doc|doc-base|info|lintian|locale|man)\//;

/**
 * A root file system with Debian's essential packages, `packages` and what these depend on, and nothing else: copied from
 * this machine, which takes seconds and no network. What their scripts have made is left behind but for accounts, the
 * cache of libraries and the records of dpkg; so are changes of the machine, but for those of the packages' own files.
 */
export function cleanRoot(...packages: readonly string[]): TempDir {
  const dir = tempDir();
  const chosen = closure(installed(), packages);
  const names = chosen.map(({ name, field }) =>
    field("Multi-Arch") === "same" ? `${name}:${field("Architecture")}` : name,
  );
  const list = run("dpkg-query", ["--listfiles", ...names])
    .split("\n")
    .filter((path) => path.startsWith("/") && path !== "/." && !LEFT_OUT.test(path));
  // Where links such as /lib64 lead to has to be there first.
  list.unshift(
    ...[
      "/usr",
      "/usr/bin",
      "/usr/sbin",
      ...readdirSync("/usr")
        .filter((name) => name.startsWith("lib"))
        .map((name) => `/usr/${name}`),
    ],
  );
  const files = `${[...new Set(list)].map((path) => path.slice(1)).join("\0")}\0`;
  const tar = "tar --create --directory=/ --no-recursion --null --files-from=- --ignore-failed-read --file=- |";
  run("sh", ["-c", `${tar} tar --extract --directory="$1" --file=-`, "sh", dir.path], files);
  for (const directory of ["updates", "info", "triggers", "parts", "alternatives"]) {
    mkdirSync(join(dir.path, DPKG, directory), { recursive: true });
  }
  const info = readdirSync(join(DPKG, "info"));
  for (const name of names) {
    for (const file of info.filter((each) => each.startsWith(`${name}.`))) {
      copyFileSync(join(DPKG, "info", file), join(dir.path, DPKG, "info", file));
    }
  }
  writeFileSync(join(dir.path, DPKG, "status"), chosen.map(({ text }) => `${text}\n\n`).join(""));
  for (const file of ["passwd", "group"]) {
    copyFileSync(join(dir.path, `usr/share/base-passwd/${file}.master`), join(dir.path, "etc", file));
  }
  for (const directory of ["proc", "sys", "dev", "run", "tmp"])
    mkdirSync(join(dir.path, directory), { recursive: true });
  run("ldconfig", ["-r", dir.path]);
  return dir;
}

function installed(): readonly Package[] {
  const paragraphs = readFileSync(join(DPKG, "status"), "utf8").split("\n\n");
  return paragraphs.flatMap((text) => {
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1] ?? "";
    return field("Status").endsWith(" installed") ? [{ name: field("Package"), text: text.trim(), field }] : [];
  });
}

function closure(all: readonly Package[], wanted: readonly string[]): readonly Package[] {
  const byName = new Map<string, Package>();
  for (const each of all) {
    for (const name of [each.name, ...namesIn(each.field("Provides"))]) if (!byName.has(name)) byName.set(name, each);
  }
  for (const each of all) byName.set(each.name, each);
  const chosen = new Set<Package>();
  const add = (name: string): void => {
    const found = byName.get(name);
    if (found === undefined || chosen.has(found)) return;
    chosen.add(found);
    for (const alternatives of `${found.field("Pre-Depends")}, ${found.field("Depends")}`.split(",")) {
      const there = namesIn(alternatives.replaceAll("|", ",")).find((each) => byName.has(each));
      if (there !== undefined) add(there);
    }
  };
  for (const each of all) if (each.field("Essential") === "yes") add(each.name);
  for (const name of wanted) {
    if (!byName.has(name)) throw new Error(`${name} is not installed on this machine`);
    add(name);
  }
  return [...chosen];
}

/** `a (>= 1), b:any` has the names `a` and `b`. */
function namesIn(list: string): readonly string[] {
  return list.split(",").flatMap((each) => /^\s*([a-z0-9][a-z0-9+.-]+)/.exec(each)?.[1] ?? []);
}

function run(program: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", input, maxBuffer: 100_000_000 });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout;
}
