import type { LogFields, Logger } from "../../src/ports/logger.ts";
import type { ExitReason } from "./actor.ts";
import type { DeadLetter } from "./dead_letters.ts";

/** Something that happened to an actor or supervisor; `path` names it. For the log, metrics and tests. */
export type KernelEvent =
  /** Its factory is about to be called, or its first child to be started. */
  | { readonly type: "starting"; readonly path: string; readonly restarts: number }
  | { readonly type: "started"; readonly path: string }
  /** Code of an actor threw or rejected; its end follows. */
  | { readonly type: "crashed"; readonly path: string; readonly error: unknown }
  /** Its end has begun: no more messages, or children are stopped from last to first. */
  | { readonly type: "stopping"; readonly path: string; readonly reason: ExitReason }
  | { readonly type: "ended"; readonly path: string; readonly reason: ExitReason }
  /** It ended and is started again after `delayMs`, perhaps with siblings. */
  | { readonly type: "restart_planned"; readonly path: string; readonly delayMs: number }
  /** A supervisor gives up after too many restarts, or a dynamic supervisor gives up this child. */
  | { readonly type: "gave_up"; readonly path: string; readonly error: unknown }
  /** The shutdown deadline is over; what still runs is left to itself. */
  | { readonly type: "abandoned"; readonly path: string; readonly isHandlerBusy: boolean; readonly effects: number }
  /** `onStop`, a hook or something that had been abandoned or aborted failed; nobody waits for it. */
  | { readonly type: "side_failure"; readonly path: string; readonly what: string; readonly error: unknown }
  | { readonly type: "dead_letter"; readonly path: string; readonly letter: DeadLetter };

/** Writes one line per event: what an operator must see as error or warning, the daily coming and going as debug. */
export function logEvent(logger: Logger, event: KernelEvent, common: LogFields = {}): void {
  const { type, path, ...rest } = event;
  const actor = { actor: path, ...common };
  const fields = { ...actor, ...rest };
  switch (event.type) {
    case "starting":
      return logger.debug("Actor is starting", fields);
    case "started":
      return logger.debug("Actor has started", actor);
    case "crashed":
      return logger.error("Actor crashed", fields);
    case "stopping":
      return logger.debug("Actor is stopping", { ...actor, reason: event.reason.type });
    case "ended":
      return logger.debug("Actor has ended", { ...actor, reason: event.reason.type });
    case "restart_planned":
      return logger.warn("Actor is started again", fields);
    case "gave_up":
      return logger.error("Actor crashed too often and is given up", fields);
    case "abandoned":
      return logger.warn("Actor did not end in time and is abandoned", fields);
    case "side_failure":
      return logger.warn("Actor left a failure behind", fields);
    case "dead_letter":
      return logger.debug("Message was not handled", {
        ...actor,
        messageType: event.letter.messageType,
        reason: event.letter.reason,
      });
  }
}
