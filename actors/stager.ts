import { assertNever } from "../src/core/assert_never.ts";
import { faultOf } from "../src/core/errors.ts";
import type { JobId } from "../src/core/ids.ts";
import type { JobEvent } from "../src/core/job_event.ts";
import type { FileSystem } from "../src/ports/file_system.ts";
import type { JobFiles } from "../src/ports/job_files.ts";
import type { ActorFactory } from "./kernel/actor.ts";
import type { StagerMessage } from "./messages.ts";

type Transfer = Extract<StagerMessage, { type: "transfer" }>;

/** Transfers that one destination carries at a time; more only share the same link. */
export const TRANSFER_SLOTS = 4;

/** Moves job directories between the daemon and a destination, a few at a time, first come, first served. */
export function stager(fileSystem: FileSystem, files: Pick<JobFiles, "directory">): ActorFactory<StagerMessage> {
  return (ctx) => {
    const waiting = new Map<JobId, Transfer>();
    const running = new Set<JobId>();

    const startNext = (): void => {
      for (const [id, transfer] of waiting) {
        if (running.size >= TRANSFER_SLOTS) return;
        waiting.delete(id);
        running.add(id);
        start(transfer);
      }
    };
    const start = ({ direction, id, job }: Transfer): void => {
      const local = files.directory(id);
      const remote = fileSystem.locate(id, local);
      const answer = (hasFailed: boolean, makeEvent: (failures: number) => JobEvent): StagerMessage => ({
        type: "transfer_ended",
        id,
        answer: () => job.send({ type: "effect_ended", makeEvent, hasFailed }),
      });
      ctx.run(
        (signal) =>
          direction === "in" ? fileSystem.upload(local, remote, signal) : fileSystem.download(remote, local, signal),
        () => answer(false, () => ({ type: direction === "in" ? "staged_in" : "staged_out" })),
        (error) =>
          answer(true, (failures) => ({
            type: direction === "in" ? "stage_in_failed" : "stage_out_failed",
            fault: faultOf(error),
            failures,
          })),
      );
    };

    return {
      receive(message) {
        switch (message.type) {
          case "transfer":
            // Asked for again while it runs: the answer that is under way serves both.
            if (!running.has(message.id)) waiting.set(message.id, message);
            return startNext();
          case "transfer_ended":
            running.delete(message.id);
            message.answer();
            return startNext();
          default:
            return assertNever(message);
        }
      },
    };
  };
}
