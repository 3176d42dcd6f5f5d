/** Program and first arguments under which commands run, on the machine that runs them, with `{…}` in the place of directories. */
export type Sandbox = readonly string[];

/**
 * The words that go in front of a command.
 *
 * @param places absolute path of the directory for which each `{name}` stands; other names stay as they are
 */
export function sandboxWords(sandbox: Sandbox, places: Readonly<Record<string, string>>): readonly string[] {
  return sandbox.map((word) =>
    word.replace(/\{(\w+)\}/g, (written, name: string) =>
      Object.hasOwn(places, name) ? (places[name] ?? "") : written,
    ),
  );
}
