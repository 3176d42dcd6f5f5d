import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** The release of DIRAC that the tests start. */
export const DIRAC_VERSION = "8.0.55";

/** Where `tests/support/dirac/install` has put it. */
export const DIRAC_HOME = resolve(import.meta.dir, "../../../.tools", `dirac-${DIRAC_VERSION}`);

/** Directory of the installed Python packages. */
export function sitePackages(): string {
  const lib = join(DIRAC_HOME, "lib");
  const python = readdirSync(lib).find((entry) => entry.startsWith("python3"));
  return join(lib, python ?? "", "site-packages");
}
