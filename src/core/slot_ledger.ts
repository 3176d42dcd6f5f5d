import type { JobId } from "./ids.ts";

interface Submitter {
  readonly name: string;
  held: number;
  /** When this submitter was granted a slot last, counted in grants. */
  lastGrant: number;
  /** Waiting jobs in the order of their requests. */
  readonly waiting: Set<JobId>;
}

/**
 * Who holds and who waits for the run slots of a destination.
 *
 * Jobs of one submitter are served first in, first out. Between submitters the one with the fewest slots goes
 * first, then the one whose last grant is longest ago; so a thousand jobs of one person delay the single job of
 * another by one job at most.
 */
export class SlotLedger {
  readonly #capacity: number;
  readonly #submitters = new Map<string, Submitter>();
  readonly #holders = new Map<JobId, Submitter>();
  readonly #waiters = new Map<JobId, Submitter>();
  /** Kept while anybody waits: whoever comes back at once must not overtake those served longer ago. */
  readonly #idle = new Set<Submitter>();
  #grants = 0;

  /** @param capacity slots at a time; `Infinity` for a scheduler with a queue of its own */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get held(): number {
    return this.#holders.size;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Puts a job in the queue. A job that waits or holds a slot already keeps its place. */
  request(id: JobId, submitter: string): void {
    if (this.#holders.has(id) || this.#waiters.has(id)) return;
    const entry = this.#submitter(submitter);
    entry.waiting.add(id);
    this.#waiters.set(id, entry);
  }

  /** Notes that a job holds a slot, whatever the capacity: it is with the scheduler since before a restart. */
  occupy(id: JobId, submitter: string): void {
    if (this.#holders.has(id)) return;
    this.#dequeue(id);
    this.#hold(id, this.#submitter(submitter));
  }

  /** Frees the job's slot, or takes it out of the queue; a no-op for an unknown job. */
  release(id: JobId): void {
    this.#dequeue(id);
    const entry = this.#holders.get(id);
    if (entry === undefined) return;
    this.#holders.delete(id);
    entry.held -= 1;
    this.#noteIdle(entry);
  }

  isHolder(id: JobId): boolean {
    return this.#holders.has(id);
  }

  /** Gives out the free slots. @returns the jobs that hold one from now on, in the order of the grants. */
  grant(): readonly JobId[] {
    const granted: JobId[] = [];
    while (this.#holders.size < this.#capacity) {
      const id = this.#grantNext();
      if (id === undefined) break;
      granted.push(id);
    }
    return granted;
  }

  /** How many jobs are served before this one if nothing changes: 0 is next; undefined when it does not wait. */
  position(id: JobId): number | undefined {
    if (!this.#waiters.has(id)) return undefined;
    return this.order().indexOf(id);
  }

  /** Waiting jobs in the order in which they would be served if every slot came free one after the other. */
  order(): readonly JobId[] {
    const rounds: { readonly id: JobId; readonly held: number; readonly lastGrant: number }[] = [];
    for (const submitter of this.#submitters.values()) {
      let held = submitter.held;
      for (const id of submitter.waiting) rounds.push({ id, held: held++, lastGrant: submitter.lastGrant });
    }
    return rounds.sort((a, b) => a.held - b.held || a.lastGrant - b.lastGrant).map(({ id }) => id);
  }

  #grantNext(): JobId | undefined {
    let next: Submitter | undefined;
    for (const entry of this.#submitters.values()) {
      if (entry.waiting.size > 0 && (next === undefined || isBefore(entry, next))) next = entry;
    }
    const id = next?.waiting.values().next().value;
    if (next === undefined || id === undefined) return undefined;
    this.#waiters.delete(id);
    next.waiting.delete(id);
    this.#hold(id, next);
    return id;
  }

  #hold(id: JobId, entry: Submitter): void {
    this.#holders.set(id, entry);
    entry.held += 1;
    entry.lastGrant = ++this.#grants;
  }

  #dequeue(id: JobId): void {
    const entry = this.#waiters.get(id);
    if (entry === undefined) return;
    this.#waiters.delete(id);
    entry.waiting.delete(id);
    this.#noteIdle(entry);
  }

  #submitter(name: string): Submitter {
    let entry = this.#submitters.get(name);
    if (entry === undefined) {
      entry = { name, held: 0, lastGrant: 0, waiting: new Set() };
      this.#submitters.set(name, entry);
    }
    this.#idle.delete(entry);
    return entry;
  }

  #noteIdle(entry: Submitter): void {
    if (entry.held === 0 && entry.waiting.size === 0) this.#idle.add(entry);
    if (this.#waiters.size > 0) return;
    for (const idle of this.#idle) this.#submitters.delete(idle.name);
    this.#idle.clear();
  }
}

function isBefore(a: Submitter, b: Submitter): boolean {
  return a.held < b.held || (a.held === b.held && a.lastGrant < b.lastGrant);
}
