/** What a channel is for. Transfers never take all channels, so that commands get through. */
export type ChannelUse = "command" | "transfer";

/** A channel that may be opened. */
export interface ChannelSlot {
  /** Idempotent. */
  release(): void;
}

interface Waiting {
  readonly use: ChannelUse;
  start(slot: ChannelSlot): void;
}

/** A host that refused a channel is tried with one more after as many that it opened. */
const GRANTS_BEFORE_MORE = 50;

/** Shares a few channels out: in turn between commands and transfers, first come, first served within each. */
export class ChannelSlots {
  readonly #most: number;
  #limit: number;
  #grants = 0;
  #used = { command: 0, transfer: 0 };
  readonly #waiting: Record<ChannelUse, Waiting[]> = { command: [], transfer: [] };
  #last: ChannelUse = "transfer";

  /** @param most channels at a time, at least 1 */
  constructor(most: number) {
    this.#most = most;
    this.#limit = most;
  }

  get inUse(): number {
    return this.#used.command + this.#used.transfer;
  }

  /** Waits for a channel. @throws the reason of `signal` when it comes first */
  acquire(use: ChannelUse, signal: AbortSignal): Promise<ChannelSlot> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const line = this.#waiting[use];
      const onAbort = (): void => {
        line.splice(line.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        use,
        start(slot) {
          signal.removeEventListener("abort", onAbort);
          resolve(slot);
        },
      };
      line.push(waiting);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#startNext();
    });
  }

  /** The host refused a channel: no more than those that are open now. */
  narrow(): void {
    this.#limit = Math.max(1, Math.min(this.#limit, this.inUse));
    this.#grants = 0;
  }

  /** A new connection: as many as at first. */
  widen(): void {
    this.#limit = this.#most;
    this.#startNext();
  }

  #startNext(): void {
    for (let use = this.#nextUse(); use !== undefined; use = this.#nextUse()) {
      const waiting = this.#waiting[use].shift();
      if (waiting === undefined) return;
      this.#last = use;
      this.#used[use] += 1;
      this.#grants += 1;
      if (this.#grants % GRANTS_BEFORE_MORE === 0) this.#limit = Math.min(this.#most, this.#limit + 1);
      waiting.start(this.#slot(use));
    }
  }

  #nextUse(): ChannelUse | undefined {
    if (this.inUse >= this.#limit) return undefined;
    const mayTransfer = this.#waiting.transfer.length > 0 && this.#used.transfer < Math.max(1, this.#limit - 1);
    const mayCommand = this.#waiting.command.length > 0;
    if (mayTransfer && mayCommand) return this.#last === "command" ? "transfer" : "command";
    return mayCommand ? "command" : mayTransfer ? "transfer" : undefined;
  }

  #slot(use: ChannelUse): ChannelSlot {
    let isReleased = false;
    return {
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#used[use] -= 1;
        this.#startNext();
      },
    };
  }
}
