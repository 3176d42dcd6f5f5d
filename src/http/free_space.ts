import { statfs } from "node:fs/promises";
import type { EdgeDeps } from "./edge.ts";
import { Refusal } from "./refusal.ts";

/**
 * Keeps submissions from taking the space that running jobs need.
 *
 * @returns checks that `wantedBytes` more leave enough of it; throws a {@link Refusal} with 507 when not
 */
export function freeSpaceGuard({ usage, jobs, logger }: Pick<EdgeDeps, "usage" | "jobs" | "logger">) {
  const { minFreeBytes } = usage;
  return async (wantedBytes: number): Promise<void> => {
    if (minFreeBytes === 0) return;
    const { bavail, bsize } = await statfs(jobs.jobRootDir);
    const freeBytes = bavail * bsize;
    if (freeBytes - wantedBytes >= minFreeBytes) return;
    logger.warn("A submission was refused, as it would leave too little disk space", {
      ...{ directory: jobs.jobRootDir, freeBytes, wantedBytes, minFreeBytes },
    });
    throw diskFull();
  };
}

/** The refusal of what there is no disk space for (RFC 4918 §11.5). */
export function diskFull(cause?: unknown): Refusal {
  return new Refusal(507, "The service has too little free disk space for this, please try again later", { cause });
}

/** True for what the operating system says when a disk or a quota is full, also behind an error of ours. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")) return true;
  return isDiskFull(error.cause);
}
