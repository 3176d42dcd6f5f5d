/**
 * Sees to it that one daemon at most writes a database. It is taken before the database is opened for writing, and
 * goes away with the process that holds it, however that ends.
 */
export interface WriterLock {
  /**
   * Tries once; whoever wants to wait for the present holder tries again after a while.
   *
   * @throws {StoreUnavailableError} when the database cannot be reached
   */
  tryAcquire(): Promise<WriterLockAnswer>;
}

export type WriterLockAnswer =
  | { readonly isAcquired: true; readonly lock: HeldWriterLock }
  | {
      readonly isAcquired: false;
      /** Who has it, for people, e.g. `process 4711 on head.example since 2026-01-01T09:00:00Z`. */
      readonly holder: string;
    };

export interface HeldWriterLock {
  /**
   * Resolves with the reason once another process has taken the lock, or may have had it for a while: whoever holds
   * this lock must then stop writing. Never resolves after `release()`. A database that is away for a moment is no
   * loss: the lock is taken again as soon as it is back.
   */
  readonly lost: Promise<string>;
  /** False while it has to be taken again, and after its end: until then nothing may be written. */
  readonly isHeld: boolean;
  /** Lets others have it. Idempotent. */
  release(): Promise<void>;
}
