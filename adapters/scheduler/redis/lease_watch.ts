/** The lease of one performer: it is another one after each renewal. */
export interface Lease {
  readonly performer: string;
  /** As the server has it. */
  readonly until: string;
}

/** A lease that has not been renewed. */
export interface SilentLease extends Lease {
  readonly silentMs: number;
}

/** What a server said that takes changes. */
export interface LeaseSight {
  /** Which life of the server it is. */
  readonly server: string;
  readonly leases: readonly Lease[];
}

/**
 * Finds the performers that may be lost: those that have not renewed their lease for as long as ours last, while they could.
 * Whose own last longer are lost only later.
 *
 * Only our own monotonic clock counts, as that of the server may be set. And only time in which the server took changes:
 * it must be the same one all the while, and at no time have let us wait for longer than {@link longestGapMs}. A performer
 * relies on that when it is refused.
 */
export interface LeaseWatch {
  look(sight: LeaseSight, askedAtMs: number, answeredAtMs: number): readonly SilentLease[];
}

/** A server that refuses every change for longer than this, refuses daemons one as well. */
export function longestGapMs(leaseMs: number): number {
  return leaseMs / 4;
}

export function leaseWatch(leaseMs: number): LeaseWatch {
  let server = "";
  let lastAskedAtMs = Number.NEGATIVE_INFINITY;
  /** By performer. */
  let seen = new Map<string, { readonly until: string; readonly sinceMs: number }>();

  return {
    look(sight, askedAtMs, answeredAtMs) {
      if (sight.server !== server || answeredAtMs - lastAskedAtMs > longestGapMs(leaseMs)) seen = new Map();
      server = sight.server;
      lastAskedAtMs = askedAtMs;
      seen = new Map(
        sight.leases.map(({ performer, until }) => {
          const before = seen.get(performer);
          return [performer, before?.until === until ? before : { until, sinceMs: answeredAtMs }];
        }),
      );
      return sight.leases
        .map((lease) => ({ ...lease, silentMs: askedAtMs - (seen.get(lease.performer)?.sinceMs ?? askedAtMs) }))
        .filter(({ silentMs }) => silentMs >= leaseMs);
    },
  };
}
