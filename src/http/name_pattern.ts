/** What one character of a name is compared with. */
type Step =
  /** Any run of characters, also none. */
  "any run" | ((character: string) => boolean);

/**
 * Understands a file-name pattern of a shell: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; a `[` without its `]` is literal,
 * there is no escape.
 *
 * The time for a name is bounded by its length times that of the pattern; a regular expression would take for ever
 * on a pattern with many stars.
 *
 * @returns tells whether a whole name matches; an empty pattern matches none
 */
export function namePattern(pattern: string): (name: string) => boolean {
  const steps = parse([...pattern]);
  return (name) => matches(steps, [...name]);
}

/** True for names that match any of `patterns`. */
export function anyPattern(patterns: readonly string[]): (name: string) => boolean {
  const matchers = patterns.map(namePattern);
  return (name) => matchers.some((isMatch) => isMatch(name));
}

function parse(characters: readonly string[]): readonly Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    const end = character === "[" ? endOfSet(characters, at) : undefined;
    if (end !== undefined) {
      steps.push(setOf(characters.slice(at + 1, end)));
      at = end;
    } else if (character === "*") {
      if (steps.at(-1) !== "any run") steps.push("any run");
    } else {
      steps.push(character === "?" ? () => true : (other) => other === character);
    }
  }
  return steps;
}

/** Where the set that begins at `start` has its `]`; one right at its begin is a member. */
function endOfSet(characters: readonly string[], start: number): number | undefined {
  const first = characters[start + 1] === "!" ? start + 2 : start + 1;
  const end = characters.indexOf("]", first + 1);
  return end === -1 ? undefined : end;
}

function setOf(members: readonly string[]): (character: string) => boolean {
  const isComplement = members[0] === "!";
  const ranges: (readonly [first: number, last: number])[] = [];
  for (let at = isComplement ? 1 : 0; at < members.length; at++) {
    const isRange = members[at + 1] === "-" && at + 2 < members.length;
    ranges.push([codeOf(members[at]), codeOf(members[isRange ? at + 2 : at])]);
    if (isRange) at += 2;
  }
  return (character) => {
    const code = codeOf(character);
    return ranges.some(([first, last]) => first <= code && code <= last) !== isComplement;
  };
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? -1;
}

/** On a mismatch only the last run has to take one more character: what it leaves behind was matched as early as can be. */
function matches(steps: readonly Step[], name: readonly string[]): boolean {
  let [at, step] = [0, 0];
  let retry: { readonly at: number; readonly step: number } | undefined;
  while (at < name.length) {
    const wanted = steps[step];
    if (wanted === "any run") {
      step += 1;
      retry = { at, step };
    } else if (wanted?.(name[at] ?? "")) {
      at += 1;
      step += 1;
    } else if (retry !== undefined) {
      retry = { at: retry.at + 1, step: retry.step };
      ({ at, step } = retry);
    } else {
      return false;
    }
  }
  while (steps[step] === "any run") step += 1;
  return step === steps.length && steps.length > 0;
}
