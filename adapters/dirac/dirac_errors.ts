import { BartenderError } from "../../src/core/errors.ts";

/** DIRAC gave no definite answer: a service, the network or the machine with its commands is away. */
export class DiracUnavailableError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("dirac_unavailable", message, { retryable: true, cause });
  }
}

/** DIRAC did nothing because there is no proxy that it accepts. It passes when there is one again. */
export class DiracProxyError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("dirac_proxy", message, { retryable: true, cause });
  }
}
