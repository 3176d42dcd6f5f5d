/**
 * Finds the word that was probably meant.
 *
 * @returns the candidate with the fewest typing errors, or one that continues or begins `word`
 *   (`command` → `command_template`); undefined when none is near enough to be helpful
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = normalised(word);
  if (wanted === "") {
    return undefined;
  }
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const known = normalised(candidate);
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, known.length) / 3));
    let distance = editDistance(wanted, known);
    if (distance > allowed) {
      const isPart =
        Math.min(wanted.length, known.length) >= 3 && (known.startsWith(wanted) || wanted.startsWith(known));
      // Behind every real typing error, the shorter addition first.
      distance = isPart ? 1000 + Math.abs(known.length - wanted.length) : Number.POSITIVE_INFINITY;
    }
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Writes ` (did you mean "x"?)`, or nothing when no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = nearest(word, candidates);
  return found === undefined ? "" : ` (did you mean "${found}"?)`;
}

function normalised(word: string): string {
  return word.toLowerCase().replaceAll("-", "_");
}

/** Number of inserted, removed, replaced or swapped neighbouring characters (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
