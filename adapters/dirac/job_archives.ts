/*
 * What there is in the directory of a job on the grid:
 *
 *     input.tar       its files, by the daemon
 *     output.tar      what its first attempt has made or changed
 *     output-2.tar    the same of the second one, and so on
 *     <tag>           the claim of an attempt, where DIRAC runs the jobs
 *
 * Each attempt has an archive of its own, so that a late one never disturbs its successor.
 */

export const INPUT_ARCHIVE = "input.tar";

/** @param attempt from 1 on; default: the first */
export function outputArchive(attempt = 1): string {
  return attempt > 1 ? `output-${attempt}.tar` : "output.tar";
}
