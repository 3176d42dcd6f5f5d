import { isDeepStrictEqual } from "node:util";
import type { Destination } from "../actors/destination.ts";
import type { GrowingChildren, SupervisorSpec } from "../actors/kernel/child_spec.ts";
import { unfinishedJobs } from "../actors/unfinished_jobs.ts";
import { loadPicker } from "../adapters/destination_picker/load.ts";
import type { BuiltDestinations } from "./assembly.ts";
import type { Config, DestinationConfig } from "./config/config.ts";
import { configChanges } from "./config/config_changes.ts";
import { messageOf } from "./core/errors.ts";
import { placementOf } from "./core/job.ts";
import type { LiveConfig } from "./live_config.ts";
import type { ReloadReport } from "./ports/admin_service.ts";
import type { Clock } from "./ports/clock.ts";
import type { JobStore } from "./ports/job_store.ts";
import type { Logger } from "./ports/logger.ts";

/** What a reload works on. */
export interface ReloadParts {
  readonly live: LiveConfig;
  readonly built: BuiltDestinations;
  readonly store: Pick<JobStore, "unfinished">;
  /** The actors of destinations; undefined while there are none. */
  readonly children: () => GrowingChildren | undefined;
  readonly treeOf: (destination: Destination) => SupervisorSpec;
  /** Makes what clients see ready for a configuration; what it gives shows it to them. Throws when that cannot be done. */
  readonly prepareEdge: (config: Config) => Promise<() => void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often it is looked whether a removed destination still has jobs. */
const DRAIN_CHECK_MS = 30_000;

/**
 * Takes over new configurations while the daemon works: all of one or nothing.
 *
 * A destination that is removed gets no more jobs, and goes when those it has are finished. One that is built anew must not
 * have any: the next adapters might not find what the last ones have begun.
 */
export class Reloader {
  readonly #parts: ReloadParts;
  /** Removed destinations whose jobs go on, with their settings. */
  readonly #draining = new Map<string, DestinationConfig>();
  #last: Promise<unknown> = Promise.resolve();
  #cancelCheck: () => void = () => undefined;
  #isClosed = false;

  constructor(parts: ReloadParts) {
    this.#parts = parts;
  }

  /** One after the other. */
  reload(next: Config): Promise<ReloadReport> {
    const done = this.#last.then(() => this.#reload(next));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Resolves when nothing is being changed any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelCheck();
    await this.#last;
  }

  async #reload(next: Config): Promise<ReloadReport> {
    const { live, children: childrenOf } = this.#parts;
    const changes = configChanges(live.config, next);
    const { added, removed, ruled, changed } = changes.destinations;
    const isReturning = (name: string) => isDeepStrictEqual(this.#draining.get(name), next.destinations.get(name));
    const anew = [...changed, ...added.filter((name) => this.#draining.has(name) && !isReturning(name))];
    const fresh = added.filter((name) => !this.#draining.has(name));

    const refusals = [...changes.refusals];
    const refuse = (error: unknown): void => void refusals.push(messageOf(error));
    const opened = new Map<string, Destination>();
    for (const name of [...fresh, ...anew]) await this.#open(name, next, opened, refusals);
    const picker = await loadPicker(next, this.#parts.clock).catch(refuse);
    const showEdge = await this.#parts.prepareEdge(next).catch(refuse);
    // Last, so that as little as possible changes until it is acted on.
    if (anew.length > 0) await this.#checkUnused(anew).then((found) => void refusals.push(...found), refuse);
    const children = childrenOf();
    if (children === undefined) refusals.push("The daemon is stopping");
    if (refusals.length > 0 || picker === undefined || showEdge === undefined || children === undefined) {
      for (const destination of opened.values()) await this.#release(destination);
      return { isDone: false, lines: refusals };
    }

    for (const name of removed) {
      const settings = live.config.destinations.get(name);
      if (settings !== undefined) this.#draining.set(name, settings);
    }
    for (const name of added) this.#draining.delete(name);
    live.replace(next, picker);
    showEdge();
    for (const name of ruled) this.#rule(name, next);
    for (const [name, destination] of opened) await this.#install(name, destination, children);
    this.#checkLater();
    return { isDone: true, lines: changes.lines };
  }

  /** @returns why one of `names` cannot be built anew now */
  async #checkUnused(names: readonly string[]): Promise<readonly string[]> {
    const { counts, unplaced } = await jobsByDestination(this.#parts.store);
    return names.flatMap((name) => {
      // A job that is just being placed may turn out to be here.
      const jobs = (counts.get(name) ?? 0) + unplaced;
      return jobs > 0 ? [occupiedText(name, jobs)] : [];
    });
  }

  async #open(name: string, next: Config, opened: Map<string, Destination>, refusals: string[]): Promise<void> {
    const settings = next.destinations.get(name);
    if (settings === undefined) return;
    try {
      opened.set(name, await this.#parts.built.open(name, settings));
    } catch (error) {
      refusals.push(`destinations.${name}: ${messageOf(error)}`);
    }
  }

  #rule(name: string, next: Config): void {
    const { destinations } = this.#parts.built;
    const [destination, settings] = [destinations.get(name), next.destinations.get(name)];
    if (destination !== undefined && settings !== undefined) {
      destinations.set(name, { ...destination, rules: settings.rules });
    }
  }

  async #install(name: string, destination: Destination, children: GrowingChildren): Promise<void> {
    const { built, treeOf } = this.#parts;
    const before = built.destinations.get(name);
    built.destinations.set(name, destination);
    if (before !== undefined) {
      await children.removeChild(treeOf(before).id);
      await this.#release(before);
    }
    children.addChild(treeOf(destination));
  }

  async #release(destination: Destination): Promise<void> {
    try {
      await this.#parts.built.release(destination);
    } catch (error) {
      const { name } = destination;
      this.#parts.logger.warn("A destination could not be closed", { destination: name, reason: messageOf(error) });
    }
  }

  #checkLater(): void {
    this.#cancelCheck();
    if (this.#draining.size === 0 || this.#isClosed) return;
    this.#cancelCheck = this.#parts.clock.after(DRAIN_CHECK_MS, () => {
      this.#last = this.#last.then(() => this.#removeDrained());
    });
  }

  /** A job that was just being placed when its destination was removed has arrived by the time of the first check. */
  async #removeDrained(): Promise<void> {
    const { built, store, logger, treeOf } = this.#parts;
    try {
      const { counts } = await jobsByDestination(store);
      const children = this.#parts.children();
      for (const name of this.#isClosed || children === undefined ? [] : [...this.#draining.keys()]) {
        const jobs = counts.get(name) ?? 0;
        const destination = built.destinations.get(name);
        if (jobs > 0 || destination === undefined) continue;
        this.#draining.delete(name);
        built.destinations.delete(name);
        await children?.removeChild(treeOf(destination).id);
        await this.#release(destination);
        logger.info("A removed destination has no jobs any more and is gone", { destination: name });
      }
    } catch (error) {
      logger.warn("Could not see whether removed destinations still have jobs", { reason: messageOf(error) });
    }
    this.#checkLater();
  }
}

function occupiedText(name: string, jobs: number): string {
  const count = jobs === 1 ? "1 unfinished job" : `${jobs} unfinished jobs`;
  return (
    `destinations.${name}: has ${count}; its scheduler, file system, retry and poll_interval can change when it has ` +
    "none, or when the daemon is restarted"
  );
}

/** How many unfinished jobs each destination has, and how many have none yet. @throws {StoreUnavailableError} */
async function jobsByDestination(
  store: Pick<JobStore, "unfinished">,
): Promise<{ readonly counts: ReadonlyMap<string, number>; readonly unplaced: number }> {
  const counts = new Map<string, number>();
  let unplaced = 0;
  for await (const { progress } of unfinishedJobs(store)) {
    const name = placementOf(progress)?.destination;
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
    else if (progress.phase === "accepted") unplaced += 1;
  }
  return { counts, unplaced };
}
