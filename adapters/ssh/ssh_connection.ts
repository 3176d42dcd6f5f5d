import type { Duplex } from "node:stream";
import { type BackoffPolicy, backoffMs } from "../../src/core/backoff.ts";
import { ConnectionError, messageOf } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import { abortable } from "./abortable.ts";
import { ChannelSlots, type ChannelUse } from "./channel_slots.ts";
import type { Link, LinkTimes } from "./connect.ts";
import type { KeySources } from "./credentials.ts";
import { isChannelRefused, openExec, openForward, openSftp, type SftpChannel } from "./open_channel.ts";
import type { RemoteProcess } from "./remote_process.ts";
import type { SshHost } from "./ssh_host.ts";

/** What every connection needs beside its configuration. */
export interface SshSurroundings {
  readonly sources: KeySources;
  /** Login of the service's user, for hosts without `username`. */
  readonly serviceUser: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Random number, at least 0 and below 1. */
  readonly random: () => number;
  /** Default: `DEFAULT_LINK_TIMES` of `connect.ts`. */
  readonly times?: LinkTimes;
  /** Between tries to connect. Default: from 1 s to 2 min. */
  readonly backoff?: BackoffPolicy;
}

/** OpenSSH allows ten sessions per connection unless told otherwise; some clusters allow fewer. */
const MOST_CHANNELS = 4;
/** Slots of ended sessions come back late; a host that opens no channel for about 30 s is believed. */
const CHANNEL_TRIES = 20;
const CHANNEL_BACKOFF: BackoffPolicy = { initialMs: 50, factor: 1.5, maxMs: 3_000, jitter: 0.5 };
const DEFAULT_CONNECT_BACKOFF: BackoffPolicy = { initialMs: 1_000, factor: 2, maxMs: 120_000, jitter: 0.3 };
/** A link that lasted longer was a good one: after its loss, the first new try is made at once. */
const GOOD_LINK_MS = 10_000;

/**
 * The one connection to an account on a host. It is made when it is first needed, and again after a loss, with growing
 * pauses between failed tries; who asks during a pause is refused with the last fault.
 */
export class SshConnection {
  /** `user@host:port`. */
  readonly name: string;
  readonly #host: SshHost;
  readonly #surroundings: SshSurroundings;
  readonly #jump: SshConnection | undefined;
  /** Only who has a host loads the library, which takes longer than all the rest of SSH. */
  readonly #library = import("./connect.ts");
  readonly #slots = new ChannelSlots(MOST_CHANNELS);
  #link: Link | undefined;
  #connecting: Promise<Link> | undefined;
  #failures = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #lastFault: ConnectionError | undefined;
  #isClosed = false;

  constructor(host: SshHost, surroundings: SshSurroundings, jump?: SshConnection) {
    this.#host = host;
    this.#surroundings = surroundings;
    this.#jump = jump;
    this.name = `${host.username}@${host.hostname}:${host.port}`;
  }

  /**
   * Runs a line by the login shell of the account, when there is a channel for it.
   *
   * @throws {ConnectionError} when nothing was started
   * @throws {CommandStartError} when the host runs no commands for this account
   * @throws {OutcomeUnknownError} when the link was lost before the host said whether it started the line
   */
  exec(line: string, use: ChannelUse, signal: AbortSignal): Promise<RemoteProcess> {
    return this.#inSlot(use, signal, (link, release) => openExec(link, line, release));
  }

  /**
   * The same at once, beside the channels that are shared out, and only on a living link: to end what runs there.
   *
   * @throws also when the host allows no further channel
   */
  async execNow(line: string): Promise<RemoteProcess> {
    const link = this.#link;
    if (link === undefined || link.isLost) throw this.#lostError();
    return await openExec(link, line, () => undefined);
  }

  /** @throws {ConnectionError} also when the host offers no SFTP */
  sftp(use: ChannelUse, signal: AbortSignal): Promise<SftpChannel> {
    return this.#inSlot(use, signal, (link, release) => openSftp(link, release, this.name));
  }

  /** A way through this host to another one. @throws {ConnectionError} */
  async forward(hostname: string, port: number, signal: AbortSignal): Promise<Duplex> {
    return await openForward(await this.#liveLink(signal), hostname, port, this.name);
  }

  /** Ends the connection with all that runs on it, for good. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#link?.destroy();
    this.#link = undefined;
  }

  async #inSlot<T>(
    use: ChannelUse,
    signal: AbortSignal,
    open: (link: Link, release: () => void) => Promise<T>,
  ): Promise<T> {
    for (let refusals = 0; ; ) {
      const slot = await this.#slots.acquire(use, signal);
      try {
        // Who waits no longer must not leave a channel open.
        const opening = this.#liveLink(signal).then((link) => open(link, () => slot.release()));
        return await abortable(opening, signal, (late) => {
          slot.release();
          abandon(late);
        });
      } catch (error) {
        slot.release();
        if (signal.aborted || !isChannelRefused(error)) throw error;
        refusals += 1;
        if (refusals >= CHANNEL_TRIES) {
          throw new ConnectionError("host_unreachable", `${this.name} opens no further session (MaxSessions)`, error);
        }
        this.#slots.narrow();
        await this.#pause(backoffMs(CHANNEL_BACKOFF, refusals, this.#surroundings.random()), signal);
      }
    }
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        stop();
        reject(signal.reason);
      };
      const stop = this.#surroundings.clock.after(delayMs, () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  async #liveLink(signal: AbortSignal): Promise<Link> {
    if (this.#isClosed) throw new ConnectionError("link_lost", `The connection to ${this.name} was closed`);
    if (this.#link !== undefined && !this.#link.isLost) return this.#link;
    const waitMs = this.#pausedUntilMs - this.#surroundings.clock.monotonicMs();
    if (this.#connecting === undefined && waitMs > 0) throw this.#lostError();
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return await abortable(this.#connecting, signal);
  }

  #lostError(): ConnectionError {
    return this.#lastFault ?? new ConnectionError("link_lost", `The connection to ${this.name} was lost`);
  }

  async #connect(): Promise<Link> {
    const { hostname, port } = this.#host;
    try {
      const { connect, DEFAULT_LINK_TIMES } = await this.#library;
      const { clock, logger, sources, times = DEFAULT_LINK_TIMES } = this.#surroundings;
      const signal = AbortSignal.timeout(times.connectTimeoutMs);
      const transport = this.#jump === undefined ? {} : { transport: await this.#jump.forward(hostname, port, signal) };
      const link = await connect({ host: this.#host, sources, times, ...transport });
      if (this.#isClosed) {
        link.destroy();
        throw new ConnectionError("link_lost", `The connection to ${this.name} was closed`);
      }
      const sinceMs = clock.monotonicMs();
      this.#link = link;
      this.#lastFault = undefined;
      this.#slots.widen();
      logger.info("Connected over SSH", { host: this.name });
      link.onLost((fault) => this.#onLost(sinceMs, fault));
      return link;
    } catch (error) {
      const fault = error instanceof ConnectionError ? error : this.#unexpected(error);
      this.#onFailure(fault);
      throw fault;
    }
  }

  #unexpected(error: unknown): ConnectionError {
    return new ConnectionError("host_unreachable", `Cannot connect to ${this.name}: ${messageOf(error)}`, error);
  }

  #onLost(sinceMs: number, fault: Error | undefined): void {
    if (this.#isClosed) return;
    const { clock } = this.#surroundings;
    const lost = new ConnectionError(
      "link_lost",
      `The connection to ${this.name} was lost${fault === undefined ? "" : `: ${messageOf(fault)}`}`,
      fault,
    );
    if (clock.monotonicMs() - sinceMs >= GOOD_LINK_MS) {
      this.#failures = 0;
      this.#lastFault = lost;
      this.#surroundings.logger.warn("A connection over SSH was lost", { host: this.name, reason: lost.message });
    } else {
      this.#onFailure(lost);
    }
  }

  #onFailure(fault: ConnectionError): void {
    const { clock, logger, random, backoff = DEFAULT_CONNECT_BACKOFF } = this.#surroundings;
    this.#failures += 1;
    this.#lastFault = fault;
    const delayMs = backoffMs(backoff, this.#failures, random());
    this.#pausedUntilMs = clock.monotonicMs() + delayMs;
    logger.warn("No connection over SSH", {
      host: this.name,
      reason: fault.message,
      failures: this.#failures,
      retryInMs: Math.round(delayMs),
    });
  }
}

function abandon(late: unknown): void {
  if (typeof late !== "object" || late === null) return;
  if ("abandon" in late && typeof late.abandon === "function") late.abandon();
  else if ("close" in late && typeof late.close === "function") late.close();
}
