import { BartenderError, messageOf, TransferError } from "../../src/core/errors.ts";

/** What system calls say, in the words of the programs that call them, and what that means. */
const REASONS: readonly { readonly pattern: RegExp; readonly reason: string; readonly retryable: boolean }[] = [
  { pattern: /No space left on device|ENOSPC/, reason: "the disk is full", retryable: true },
  // What tar says when the disk takes a part of what it writes.
  { pattern: /Wrote only \d+ of \d+ bytes/, reason: "the disk is full or the quota exceeded", retryable: true },
  { pattern: /Disk quota exceeded|EDQUOT/, reason: "the disk quota is exceeded", retryable: true },
  { pattern: /Read-only file system|EROFS/, reason: "the file system is read-only", retryable: true },
  { pattern: /Permission denied|Operation not permitted|EACCES|EPERM/, reason: "permission denied", retryable: false },
];

/**
 * A readable reason for what a host or the local disk answered. What is not known may pass.
 *
 * @param where e.g. `user@host:22` or `this machine`
 * @param text what was said; its first line is shown
 */
export function transferFault(where: string, text: string, cause?: unknown): TransferError {
  const line = text.split("\n").find((part) => part.trim() !== "") ?? "no reason was given";
  const known = REASONS.find(({ pattern }) => pattern.test(text));
  const message =
    known === undefined
      ? `The transfer failed on ${where}: ${line}`
      : `The transfer failed: ${known.reason} on ${where} (${line})`;
  return new TransferError(message, { retryable: known?.retryable ?? true, cause });
}

/** Any failure as the one that file systems throw. */
export function asTransferError(error: unknown, where: string, signal: AbortSignal): TransferError {
  if (signal.aborted) return new TransferError("The transfer was called off", { retryable: true, cause: error });
  if (error instanceof TransferError) return error;
  if (error instanceof BartenderError) {
    return new TransferError(error.message, { retryable: error.retryable, cause: error });
  }
  return transferFault(where, messageOf(error), error);
}
