import type { DestinationEntry } from "./destination_schema.ts";
import type { ProxyEntry } from "./dirac_schema.ts";
import { formatKeyPath, type KeyPath } from "./finding.ts";
import { absolutePath } from "./paths.ts";
import type { Report } from "./report.ts";
import type { SshConfigEntry } from "./ssh_schema.ts";

/** A `proxy` map of the file and where it stands. */
interface Found {
  readonly path: KeyPath;
  readonly proxy: ProxyEntry;
  readonly ssh: SshConfigEntry | undefined;
}

/** What may be set in a `proxy` map and names a file on the machine with DIRAC's commands. */
const FILES = ["cert", "key", "file"] as const;

/**
 * Refuses two different proxies in one file, and paths on other machines that nobody could resolve.
 *
 * @param destinations with holes where something did not fit
 */
export function checkProxies(
  destinations: ReadonlyMap<string, Partial<DestinationEntry> | undefined>,
  workingDirectory: string,
  report: Report,
): void {
  const first = new Map<string, Found>();
  for (const found of proxiesOf(destinations)) {
    const { path, proxy, ssh } = found;
    for (const name of ssh === undefined ? [] : FILES) {
      if (proxy[name]?.startsWith("/") === false) {
        report.fault(
          [...path, name],
          `expected an absolute path on ${ssh?.hostname}, got ${JSON.stringify(proxy[name])}`,
        );
      }
    }
    const place = placeOf(found, workingDirectory);
    const earlier = first.get(place);
    if (earlier === undefined) first.set(place, found);
    else if (JSON.stringify(sorted(earlier.proxy)) !== JSON.stringify(sorted(proxy))) {
      report.fault(
        path,
        `would be kept in the same file as the different ${formatKeyPath(earlier.path)}; set \`file\` in one of them`,
      );
    }
  }
}

function* proxiesOf(destinations: ReadonlyMap<string, Partial<DestinationEntry> | undefined>): Generator<Found> {
  for (const [name, entry] of destinations) {
    for (const part of ["scheduler", "filesystem"] as const) {
      const settings = entry?.[part];
      if (settings?.type !== "dirac" || settings.proxy === undefined) continue;
      yield { path: ["destinations", name, part, "proxy"], proxy: settings.proxy, ssh: settings.ssh_config };
    }
  }
}

/** Two proxies with the same answer share a file. */
function placeOf({ proxy, ssh }: Found, workingDirectory: string): string {
  const machine = ssh === undefined ? null : [ssh.hostname, ssh.port ?? 22, ssh.username ?? null];
  // The name of the default file is made from all but the password.
  const { password: _, file, ...rest } = proxy;
  if (file === undefined) return JSON.stringify([machine, sorted(rest)]);
  return JSON.stringify([machine, ssh === undefined ? absolutePath(file, workingDirectory) : file]);
}

function sorted(map: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] {
  return Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
