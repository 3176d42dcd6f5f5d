import type { JobId } from "./ids.ts";

interface Submitter {
  readonly name: string;
  held: number;
  /** When this submitter was granted a slot last, counted in grants. */
  lastGrant: number;
  /** Waiting jobs in the order of their requests, but for those that an administrator has moved. */
  readonly waiting: Set<JobId>;
}

/** What an administrator has decided about the place of a job in the queue. */
export interface QueueOrder {
  /** True: the job is not granted a slot. */
  readonly isHeld: boolean;
  /** Higher ones go first, whoever submitted them; 0 is the usual. */
  readonly priority: number;
}

const USUAL: QueueOrder = { isHeld: false, priority: 0 };

/**
 * Who holds and who waits for the run slots of a destination.
 *
 * Jobs of one submitter are served first in, first out. Between submitters the one with the fewest slots goes
 * first, then the one whose last grant is longest ago; so a thousand jobs of one person delay the single job of
 * another by one job at most.
 *
 * An administrator may hold jobs back, or let them go before or after all others.
 */
export class SlotLedger {
  readonly #capacity: number;
  readonly #submitters = new Map<string, Submitter>();
  readonly #holders = new Map<JobId, Submitter>();
  readonly #waiters = new Map<JobId, Submitter>();
  /** Kept while anybody waits: whoever comes back at once must not overtake those served longer ago. */
  readonly #idle = new Set<Submitter>();
  #grants = 0;
  readonly #orders = new Map<JobId, QueueOrder>();
  /** Waiting jobs that an administrator has moved, in the order of their requests. */
  readonly #moved = new Map<JobId, QueueOrder>();

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
    this.#waiters.set(id, entry);
    this.#line(id, entry);
  }

  /** Notes what an administrator has decided, also of jobs that do not wait yet; kept until they are released. */
  order(id: JobId, order: QueueOrder): void {
    const before = this.#orders.get(id) ?? USUAL;
    // A job that is asked about again keeps its place.
    if (before.isHeld === order.isHeld && before.priority === order.priority) return;
    if (order.isHeld || order.priority !== 0) this.#orders.set(id, order);
    else this.#orders.delete(id);
    const entry = this.#waiters.get(id);
    if (entry === undefined) return;
    this.#moved.delete(id);
    entry.waiting.delete(id);
    this.#line(id, entry);
  }

  /** Notes that a job holds a slot, whatever the capacity: it is with the scheduler since before a restart. */
  occupy(id: JobId, submitter: string): void {
    if (this.#holders.has(id)) return;
    this.#dequeue(id);
    this.#hold(id, this.#submitter(submitter));
  }

  /** Frees the job's slot, or takes it out of the queue; a no-op for an unknown job. */
  release(id: JobId): void {
    this.#orders.delete(id);
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

  /**
   * How many jobs are served before each of `ids` if every slot came free one after the other: 0 is next. Those that do
   * not wait, or are held back, are left out. What an administrator moved to the front changes who is served after it,
   * so that the others may be off by a few.
   *
   * Costs one look at each earlier job of the same submitters, and for each of `ids` one at each submitter.
   */
  positions(ids: readonly JobId[]): ReadonlyMap<JobId, number> {
    const wanted = new Map<Submitter, Set<JobId>>();
    for (const id of ids) {
      const entry = this.#waiters.get(id);
      if (entry === undefined) continue;
      const own = wanted.get(entry) ?? new Set();
      wanted.set(entry, own.add(id));
    }
    const positions = new Map<JobId, number>();
    const inTurn = this.#movedInTurn();
    const first = inTurn.findIndex(([, { priority }]) => priority < 0);
    const ahead = first < 0 ? inTurn.length : first;
    const usual = this.#waiters.size - this.#moved.size;
    const asked = new Set(ids);
    for (const [index, [id]] of inTurn.entries()) {
      if (asked.has(id)) positions.set(id, index < ahead ? index : index + usual);
    }
    for (const [entry, own] of wanted) {
      let index = 0;
      for (const id of entry.waiting) {
        if (own.delete(id)) positions.set(id, ahead + index + this.#servedBefore(entry, index));
        if (own.size === 0) break;
        index += 1;
      }
    }
    return positions;
  }

  /** How many jobs of others are served before the job that waits `index`-th for its submitter. */
  #servedBefore(entry: Submitter, index: number): number {
    const slots = entry.held + index;
    let count = 0;
    let isEarlier = true;
    for (const other of this.#submitters.values()) {
      if (other === entry) {
        isEarlier = false;
        continue;
      }
      // Others are served as long as they have fewer slots, and once more with as many when they are first in a tie.
      const isFirst = isFirstInTie(other, entry, isEarlier);
      count += Math.min(other.waiting.size, Math.max(0, slots - other.held + (isFirst ? 1 : 0)));
    }
    return count;
  }

  /** Puts a waiting job in the line that it belongs to. */
  #line(id: JobId, entry: Submitter): void {
    const order = this.#orders.get(id) ?? USUAL;
    if (order === USUAL) entry.waiting.add(id);
    else this.#moved.set(id, order);
  }

  /** Moved jobs that may be granted a slot, highest priority first. */
  #movedInTurn(): readonly (readonly [JobId, QueueOrder])[] {
    if (this.#moved.size === 0) return [];
    return [...this.#moved].filter(([, { isHeld }]) => !isHeld).sort(([, a], [, b]) => b.priority - a.priority);
  }

  #grantNext(): JobId | undefined {
    const moved = this.#movedInTurn()[0];
    const id = moved !== undefined && moved[1].priority > 0 ? moved[0] : (this.#nextInTurn() ?? moved?.[0]);
    const entry = id === undefined ? undefined : this.#waiters.get(id);
    if (id === undefined || entry === undefined) return undefined;
    this.#waiters.delete(id);
    this.#moved.delete(id);
    entry.waiting.delete(id);
    this.#hold(id, entry);
    return id;
  }

  #nextInTurn(): JobId | undefined {
    let next: Submitter | undefined;
    for (const entry of this.#submitters.values()) {
      if (entry.waiting.size > 0 && (next === undefined || isBefore(entry, next))) next = entry;
    }
    return next?.waiting.values().next().value;
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
    this.#moved.delete(id);
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

/** Whoever has more slots now was not granted one while the other caught up, so that the last grant is longer ago. */
function isFirstInTie(a: Submitter, b: Submitter, isEarlier: boolean): boolean {
  if (a.held !== b.held) return a.held > b.held;
  return a.lastGrant === b.lastGrant ? isEarlier : a.lastGrant < b.lastGrant;
}

function isBefore(a: Submitter, b: Submitter): boolean {
  return a.held < b.held || (a.held === b.held && a.lastGrant < b.lastGrant);
}
