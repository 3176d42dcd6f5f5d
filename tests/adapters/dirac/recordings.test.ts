import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DIRAC_VERSION } from "../../support/dirac/installation.ts";
import { RECORDINGS, readRecording } from "../../support/dirac/recording.ts";

const NAMES = readdirSync(RECORDINGS).flatMap((name) => (name.endsWith(".txt") ? [name.slice(0, -4)] : []));

test("every recording says that it is one, of which release and of which command", () => {
  expect(NAMES.length).toBeGreaterThan(100);
  for (const name of NAMES) {
    const { version, command, exitCode } = readRecording(name);
    expect({ name, version }).toEqual({ name, version: DIRAC_VERSION });
    expect(command[0]).toMatch(/^(dirac-|dstat$)/);
    expect(exitCode === null || exitCode >= 0).toBe(true);
  }
});

test("recordings name no path of the machine that made them", () => {
  for (const name of NAMES) {
    expect(readFileSync(join(RECORDINGS, `${name}.txt`), "utf8")).not.toMatch(/\.tools\/|bartender-[0-9a-f]{4}-/);
  }
});

test("the release of the recordings is the one that is installed for tests", () => {
  const requirements = readFileSync(resolve(RECORDINGS, "../../../support/dirac/requirements.txt"), "utf8");
  expect(requirements).toContain(`\nDIRAC==${DIRAC_VERSION}\n`);
  // Every package is pinned, so that a new release of one breaks nothing.
  const packages = requirements.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of packages) expect(line).toMatch(/^[A-Za-z0-9_.-]+==[^ ]+$/);
});
