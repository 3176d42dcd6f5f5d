import type { Clock } from "../../src/ports/clock.ts";
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import type { DeadLetters } from "./dead_letters.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { KernelEvent } from "./events.ts";
import type { Registry } from "./registry.ts";

/** What the actors and supervisors of one system share. */
export interface Kernel {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dispatcher: Dispatcher;
  readonly registry: Registry;
  readonly deadLetters: DeadLetters;
  /** @param fields what the log line has beside the event */
  readonly emit: (event: KernelEvent, fields?: LogFields) => void;
}
