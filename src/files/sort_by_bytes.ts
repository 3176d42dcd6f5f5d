import type { Turns } from "./turns.ts";

/** As many texts are sorted at once; takes about 2 ms. */
const RUN = 8192;

/** Texts merged before others may get their turn. */
const STEP = 1024;

/** Sorts texts whose characters stand for bytes, by those bytes, in short turns. The array may be reordered. */
export async function sortByBytes(texts: string[], turns: Turns): Promise<readonly string[]> {
  if (texts.length <= RUN) return texts.sort();
  let runs: string[][] = [];
  for (let start = 0; start < texts.length; start += RUN) {
    runs.push(texts.slice(start, start + RUN).sort());
    await turns.next();
  }
  while (runs.length > 1) {
    const merged: string[][] = [];
    for (let i = 0; i < runs.length; i += 2) merged.push(await merge(runs[i] ?? [], runs[i + 1] ?? [], turns));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge(left: readonly string[], right: readonly string[], turns: Turns): Promise<string[]> {
  const merged: string[] = [];
  let [l, r] = [0, 0];
  while (l < left.length || r < right.length) {
    const [a, b] = [left[l], right[r]];
    if (b === undefined || (a !== undefined && a <= b)) {
      merged.push(a ?? "");
      l += 1;
    } else {
      merged.push(b);
      r += 1;
    }
    if (merged.length % STEP === 0) await turns.next();
  }
  return merged;
}
