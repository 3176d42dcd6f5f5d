import { assertNever } from "../src/core/assert_never.ts";
import { type Fault, faultOf } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import type { JobEvent } from "../src/core/job_event.ts";
import type { FileSystem } from "../src/ports/file_system.ts";
import type { JobFiles } from "../src/ports/job_files.ts";
import type { TryOutcome } from "./health_messages.ts";
import { tryOutcomeOf } from "./job_tries.ts";
import type { ActorFactory } from "./kernel/actor.ts";
import type { StagerMessage } from "./messages.ts";

type Transfer = Extract<StagerMessage, { type: "transfer" }>;

type MakeEvent = (failures: number) => JobEvent;

/** Transfers that one destination carries at a time; more only share the same link. */
const TRANSFER_SLOTS = 4;

const NOT_UNDER_WAY: Fault = { message: "No copy is under way", retryable: true };

/** Moves job directories between the daemon and a destination, a few at a time, first come, first served. */
export function stager(fileSystem: FileSystem, files: Pick<JobFiles, "directory">): ActorFactory<StagerMessage> {
  return (ctx) => {
    const waiting = new Map<JobId, Transfer>();
    /** With the newest request for each: who asks again waits for the answer that is under way. */
    const running = new Map<JobId, Transfer>();

    const startNext = (): void => {
      for (const [id, transfer] of waiting) {
        if (running.size >= TRANSFER_SLOTS) return;
        // One direction after the other: a copy in that somebody gave up must not meet the copy out.
        if (running.has(id)) continue;
        waiting.delete(id);
        running.set(id, transfer);
        start(transfer);
      }
    };
    const start = ({ direction, id, attempt }: Transfer): void => {
      const local = files.directory(id);
      const remote = fileSystem.locate(id, local);
      const answer = (outcome: TryOutcome, hasFailed: boolean, makeEvent: MakeEvent): StagerMessage => ({
        type: "transfer_ended",
        id,
        makeEvent,
        hasFailed,
        outcome,
      });
      ctx.run(
        (signal) =>
          direction === "in"
            ? fileSystem.upload(local, remote, signal)
            : fileSystem.download(remote, local, signal, attempt),
        () => answer({ type: "answered" }, false, () => ({ type: direction === "in" ? "staged_in" : "staged_out" })),
        (error) =>
          answer(tryOutcomeOf(error), true, (failures) => ({
            type: direction === "in" ? "stage_in_failed" : "stage_out_failed",
            fault: faultOf(error),
            failures,
          })),
      );
    };
    const deny = ({ id, direction, job, ticket }: Transfer): void => {
      waiting.delete(id);
      const type = direction === "in" ? "stage_in_failed" : "stage_out_failed";
      const makeEvent: MakeEvent = (failures) => ({ type, fault: NOT_UNDER_WAY, failures });
      job.send({ type: "effect_ended", makeEvent, hasFailed: true, outcome: { type: "unused" }, ticket });
    };

    return {
      receive(message) {
        switch (message.type) {
          case "transfer":
            if (running.get(message.id)?.direction === message.direction) running.set(message.id, message);
            else if (message.mayBegin) waiting.set(message.id, message);
            else deny(message);
            return startNext();
          case "postpone":
            for (const { job } of waiting.values()) job.send({ type: "try_postponed" });
            return waiting.clear();
          case "ping":
            return message.reply();
          case "describe":
            return message.reply({ running: running.size, waiting: waiting.size });
          case "transfer_ended": {
            const { id, makeEvent, hasFailed, outcome } = message;
            const asked = running.get(id);
            running.delete(id);
            asked?.job.send({ type: "effect_ended", makeEvent, hasFailed, outcome, ticket: asked.ticket });
            return startNext();
          }
          default:
            return assertNever(message);
        }
      },
    };
  };
}
