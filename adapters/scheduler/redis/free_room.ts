import { statfsSync } from "node:fs";
import type { Logger } from "../../../src/ports/logger.ts";

/** What the records of a few attempts take. */
const ROOM_BYTES = 1_048_576;

/**
 * Answers whether there is room for the record of one more attempt: without one its command cannot begin, and a machine
 * with a full disk would take one job after the other, each of which fails. That it is so, and no longer, is logged once.
 *
 * @param directory absolute, on the disk in question
 */
export function freeRoom(directory: string, logger: Logger): () => boolean {
  let hadRoom = true;
  return () => {
    const { bavail, bsize, blocks } = statfsSync(directory);
    // Some file systems over a network do not know how large they are.
    const hasRoom = blocks === 0 || bavail * bsize >= ROOM_BYTES;
    if (hadRoom && !hasRoom)
      logger.warn("The disk with the performer's state is full; it takes no more jobs", { directory });
    if (!hadRoom && hasRoom) logger.info("The disk has room again; the performer takes jobs", { directory });
    hadRoom = hasRoom;
    return hasRoom;
  };
}
