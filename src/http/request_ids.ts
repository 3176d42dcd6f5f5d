/**
 * Names for requests: a part that differs from daemon to daemon, and a number.
 *
 * @param random at least 0, below 1
 */
export function requestIds(random: () => number): () => string {
  const run = Array.from({ length: 10 }, () => Math.floor(random() * 36).toString(36)).join("");
  let count = 0;
  return () => `${run}-${++count}`;
}
