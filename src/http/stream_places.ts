import { Refusal } from "./refusal.ts";

/** How many answers may be followed at a time: event streams and logs of running jobs. */
export interface StreamLimits {
  readonly maxStreams: number;
  readonly maxStreamsPerUser: number;
}

/** Seconds after which a refused client may try again. */
const RETRY_AFTER = { "retry-after": "10" };

/** The places of open streams. */
export class StreamPlaces {
  readonly #limits: StreamLimits;
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /**
   * Takes a place for a stream of `username`.
   *
   * @returns gives it back; calling it again does nothing
   * @throws {Refusal} 429 when this user has too many, 503 when all together have
   */
  take(username: string): () => void {
    const { maxStreams, maxStreamsPerUser } = this.#limits;
    const own = this.#open.get(username) ?? 0;
    if (own >= maxStreamsPerUser) {
      const detail = `You follow ${maxStreamsPerUser} jobs or logs already, please end one of them first`;
      throw new Refusal(429, detail, { headers: RETRY_AFTER });
    }
    if (this.#total >= maxStreams) {
      throw new Refusal(503, "Too many jobs and logs are being followed, please try again later", {
        headers: RETRY_AFTER,
      });
    }
    this.#count(username, 1);
    let isTaken = true;
    return () => {
      if (isTaken) this.#count(username, -1);
      isTaken = false;
    };
  }

  #count(username: string, change: 1 | -1): void {
    this.#total += change;
    const own = (this.#open.get(username) ?? 0) + change;
    if (own === 0) this.#open.delete(username);
    else this.#open.set(username, own);
  }
}
