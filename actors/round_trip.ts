import type { Clock } from "../src/ports/clock.ts";
import { type HealthMessage, healthName } from "./health_messages.ts";
import { type Find, JOBS } from "./job_directory.ts";
import type { ActorRef } from "./kernel/actor.ts";
import { ask } from "./kernel/ask.ts";
import { actor } from "./kernel/child_spec.ts";
import { ActorEndedError, SupervisorNotRunningError } from "./kernel/errors.ts";
import {
  type DestinationMessage,
  destinationName,
  type PollerMessage,
  pollerName,
  type StagerMessage,
  stagerName,
} from "./messages.ts";

/** Where a message is to go round. */
export interface RoundTripOptions {
  readonly find: Find;
  /** Names of the destinations that have actors. */
  readonly destinations: Iterable<string>;
  readonly clock: Clock;
  /** How long each of them may take; they are asked side by side. */
  readonly timeoutMs: number;
  /** Rejects while the database is away: who waits for it is not stuck. */
  readonly pingStore: () => Promise<void>;
}

/** The actor that is started to see whether one can be. */
const PULSE = "pulse";

/**
 * Sends a message through the tree: the supervisor of jobs starts an actor, and every actor of every destination answers.
 * One that is being restarted counts as answering, as its supervisor looks after it.
 *
 * @returns who did not answer in time, by their names; empty when all is well
 */
export async function roundTrip(options: RoundTripOptions): Promise<readonly string[]> {
  const { find, clock, timeoutMs, pingStore } = options;
  const answers = async (name: string, question: () => Promise<unknown> | undefined): Promise<string | undefined> => {
    try {
      const answer = question();
      if (answer === undefined) return name;
      await answer;
      return undefined;
    } catch (error) {
      return error instanceof ActorEndedError || error instanceof SupervisorNotRunningError ? undefined : name;
    }
  };
  const put = <M>(ref: ActorRef<M> | undefined, question: (reply: () => void) => M): Promise<void> | undefined =>
    ref === undefined ? undefined : ask<M, void>(ref, question, { clock, timeoutMs });

  const silent = await Promise.all([
    answers(JOBS, () => pulse(find, clock, timeoutMs)),
    ...[...options.destinations].flatMap((name) => [
      answers(healthName(name), () => put<HealthMessage>(find(healthName(name)), describe)),
      answers(destinationName(name), () => put<DestinationMessage>(find(destinationName(name)), describe)),
      answers(pollerName(name), () => put<PollerMessage>(find(pollerName(name)), ping)),
      answers(stagerName(name), () => put<StagerMessage>(find(stagerName(name)), ping)),
    ]),
  ]);
  const named = silent.filter((name) => name !== undefined);
  return named.length > 0 && (await isAway(pingStore)) ? [] : named;
}

function describe(reply: () => void) {
  return { type: "describe", reply } as const;
}

function ping(reply: () => void) {
  return { type: "ping", reply } as const;
}

async function pulse(find: Find, clock: Clock, timeoutMs: number): Promise<void> {
  const children = find(JOBS);
  if (children === undefined) throw new Error("There is no supervisor of jobs");
  const ref = children.startChild<{ readonly reply: () => void }>(
    actor({ id: PULSE, restart: "temporary", factory: () => ({ receive: ({ reply }) => reply() }) }),
  );
  try {
    await ask<{ readonly reply: () => void }, void>(ref, (reply) => ({ reply }), { clock, timeoutMs });
  } finally {
    void children.stopChild(PULSE);
  }
}

async function isAway(ping: () => Promise<void>): Promise<boolean> {
  try {
    await ping();
    return false;
  } catch {
    return true;
  }
}
