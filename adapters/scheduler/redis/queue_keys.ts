/** Names of everything that one queue has in Redis. All begin with `bartender:`, which is what access rules need. */
export interface QueueKeys {
  /** First part of all names of the queue library. */
  readonly prefix: string;
  /** Name of the queue for the library, which takes no colon. */
  readonly queueName: string;
  /** Hash: `message`, `state` (`queued`, `begun`, `ended`), `life`, `by`, `running`, `cancel`, `result`. */
  attempt(tag: string): string;
  /** First part of {@link QueueKeys.attempt}. */
  readonly attempts: string;
  /** Set of the tags that a performer has begun. */
  begunBy(performer: string): string;
  /** First part of {@link QueueKeys.begunBy}. */
  readonly begun: string;
  /** Sorted set: performers with the end of their lease, milliseconds since 1970 on the server's clock. */
  readonly leases: string;
  /** Hash: performers with what they say about themselves. */
  readonly performers: string;
  /** Hash: performers with the life of the server in which they last renewed their lease. */
  readonly heard: string;
  /** Channel with news about attempts, for daemons. */
  readonly news: string;
  /** Channel with the tags of attempts that performers begin, for daemons. */
  readonly beginnings: string;
  /** Channel with the tags of attempts to end, for performers. */
  readonly cancellations: string;
  /** Channel with questions of daemons for parts of logs, for performers. */
  readonly logQuestions: string;
  /** Channel to which nobody listens, to try whether anything may be published. */
  readonly probe: string;
  /** Channel with the answers to one daemon. */
  logAnswers(asker: string): string;
}

const PREFIX = "bartender";

/** @param queue as configured, e.g. `arq:queue` */
export function queueKeys(queue: string): QueueKeys {
  const queueName = encodeURIComponent(queue);
  const own = (name: string): string => `${PREFIX}:${queueName}:${name}`;
  const attempts = own("attempt:");
  const begun = own("begun:");
  return {
    prefix: PREFIX,
    queueName,
    attempts,
    attempt: (tag) => `${attempts}${tag}`,
    begun,
    begunBy: (performer) => `${begun}${performer}`,
    leases: own("leases"),
    performers: own("performers"),
    heard: own("heard"),
    news: own("news"),
    beginnings: own("beginnings"),
    cancellations: own("cancellations"),
    logQuestions: own("log-questions"),
    probe: own("probe"),
    logAnswers: (asker) => own(`log-answers:${asker}`),
  };
}
