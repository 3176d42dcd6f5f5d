/* Prints the licences of the packages inside the single executable. Argument: the metafile of its build. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";

/** As much of a metafile as is read: the names of all bundled files, relative to the working directory of the build. */
interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
}

const metafile = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Metafile;
const directories = new Set(
  Object.keys(metafile.inputs).flatMap((file) => {
    const directory = /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0];
    return directory === undefined || !existsSync(join(directory, "package.json")) ? [] : [resolve(directory)];
  }),
);
if (directories.size === 0) throw new Error("The metafile names no package");

const texts = [...directories].sort().map((directory) => {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const files = readdirSync(directory).filter((file) => /^(licen[cs]e|copying|notice)(\.|$)/i.test(file));
  const head = `${name} ${version}${license === undefined ? "" : `, ${license}`}`;
  return [head, ...files.sort().map((file) => readFileSync(join(directory, file), "utf8").trim())].join("\n\n");
});
const introduction = `The executable contains the runtime Bun ${process.versions.bun} (MIT; in it JavaScriptCore of WebKit, LGPL-2), and the packages
that are listed here.`;
console.log([introduction, ...texts].join(`\n\n${"-".repeat(80)}\n\n`));
