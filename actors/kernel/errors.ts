/** A fault that the kernel itself reports; `code` tells the kinds apart. */
export class KernelError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
  }
}

/** A mailbox is full; the caller should come back later. */
export class ActorBusyError extends KernelError {
  constructor(path: string) {
    super("actor_busy", `${path}: the mailbox is full`);
  }
}

/** The actor ended before it answered; whether it handled the question is unknown. */
export class ActorEndedError extends KernelError {
  constructor(path: string, cause?: unknown) {
    super("actor_ended", `${path}: the actor has ended`, cause);
  }
}

/** No answer came in time; the question may still be handled later. */
export class AskTimeoutError extends KernelError {
  constructor(path: string, timeoutMs: number) {
    super("ask_timeout", `${path}: no answer within ${timeoutMs} ms`);
  }
}

/** A name or the id of a child is in use. */
export class NameTakenError extends KernelError {
  constructor(name: string) {
    super("name_taken", `${name}: the name is taken`);
  }
}

/** Children can only be started while their dynamic supervisor runs. */
export class SupervisorNotRunningError extends KernelError {
  constructor(path: string) {
    super("supervisor_not_running", `${path}: the supervisor is not running`);
  }
}

/** Children crashed more often than the restart budget allows; `cause` is the last fault. */
export class RestartsExhaustedError extends KernelError {
  constructor(path: string, cause: unknown) {
    super("restarts_exhausted", `${path}: too many restarts`, cause);
  }
}
