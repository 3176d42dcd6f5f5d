import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const DOCS = join(import.meta.dir, "../../docs");

/**
 * The option `sandbox` that the documentation shows, for jobs or for interactive applications.
 *
 * @param paths what to put in the place of its own paths
 */
export function documentedSandbox(
  paths: Readonly<Record<string, string>>,
  use: "jobs" | "interactive" = "jobs",
): readonly string[] {
  const blocks = readFileSync(join(DOCS, "destinations.md"), "utf8").split("```yaml\n");
  const [jobs, interactive] = blocks
    .filter((text) => text.includes("sandbox: ["))
    .map((text) => parse(text.split("```")[0] ?? ""));
  const shown: readonly string[] =
    use === "jobs"
      ? jobs.destinations.workstation.scheduler.sandbox
      : interactive.interactive_applications.rescore.sandbox;
  const missing = Object.keys(paths).filter((path) => !shown.includes(path));
  if (missing.length > 0) throw new Error(`The documentation does not name ${missing.join(", ")}`);
  return shown.map((part) => paths[part] ?? part);
}

/** What the documentation changes in the unit for it. */
export function documentedDropIn(): string {
  const line = readFileSync(join(DOCS, "installation.md"), "utf8")
    .split("\n")
    .find((text) => text.startsWith("| commands in a sandbox"));
  const settings = [...(line ?? "").matchAll(/`(\w+=[^`]*)`/g)].map(([, setting]) => setting);
  return `[Service]\n${settings.join("\n")}\n`;
}
