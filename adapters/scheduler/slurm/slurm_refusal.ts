/** Limits that other jobs use up; the same job is taken later. */
const PASSING_LIMITS = /submit limit|SubmitJob|temporarily|try again|too many|maximum|MaxJobCount/i;

/**
 * True when Slurm answered that it does not want the job. Everything else, a time-out above all, may have got through.
 *
 * sbatch(1) ends with 1 for both, and with 255 for options that it cannot understand.
 */
export function isRefusal(status: number, stderr: string): boolean {
  if (status === 255) return true;
  const answer = /Batch job submission failed: (.*)/.exec(stderr)?.[1];
  if (answer === undefined)
    return /does not look like a batch script|script is empty|contains DOS line breaks/.test(stderr);
  const isNoAnswer =
    /contact|timed out|connect|communication|socket|Zero Bytes|Unexpected message|authentication|standby|in progress/i;
  return !isNoAnswer.test(answer) && !PASSING_LIMITS.test(answer) && !PASSING_LIMITS.test(stderr);
}

/** What a command said last, in one line. */
export function lastWords(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  return (
    lines
      .filter((line) => line !== "")
      .slice(-3)
      .join(" ")
      .slice(0, 500) || "it said nothing"
  );
}
