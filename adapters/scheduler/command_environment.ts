/** Names that every command may see, besides all `LC_*`. */
const ALLOWED_NAMES = ["PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"];

/** What `login(1)` and systemd give to processes that have none. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The environment of commands: an allow list, because the daemon's own environment holds secrets.
 *
 * @param source environment of the daemon
 * @param extraNames further names to pass on; those that begin with `BARTENDER_` stay behind even then, in any
 *   letter case, because they configure the daemon
 * @returns always with a `PATH`
 */
export function commandEnvironment(
  source: Readonly<Record<string, string | undefined>>,
  extraNames: readonly string[],
): Readonly<Record<string, string>> {
  const allowed = new Set([...ALLOWED_NAMES, ...extraNames]);
  const environment: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const [name, value] of Object.entries(source)) {
    const isAllowed = (allowed.has(name) || name.startsWith("LC_")) && !name.toUpperCase().startsWith("BARTENDER_");
    if (isAllowed && value !== undefined && value !== "") {
      environment[name] = value;
    }
  }
  return environment;
}
