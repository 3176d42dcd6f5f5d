import { DESTINATION_PARTS, type DestinationPart } from "../src/core/destination_health.ts";
import type { Credential } from "../src/ports/credential.ts";
import { credentialKeeper } from "./credential_keeper.ts";
import {
  CREDENTIALS,
  type CredentialDescription,
  type CredentialMessage,
  type CredentialNews,
  credentialName,
} from "./credential_messages.ts";
import type { NeededCredentials } from "./destination.ts";
import type { HealthMessage } from "./health_messages.ts";
import type { ActorContext, ActorRef } from "./kernel/actor.ts";
import { actor } from "./kernel/child_spec.ts";
import { NameTakenError, SupervisorNotRunningError } from "./kernel/errors.ts";

/** How soon a keeper that has ended, or could not be started, is looked for again. */
const FOLLOW_AGAIN_MS = 1_000;

/** Lets nobody try a part of a destination while one of its credentials cannot be used. */
export class CredentialGate {
  readonly #ctx: ActorContext<HealthMessage>;
  readonly #needed: NeededCredentials;
  /** By id, each once. */
  readonly #credentials: ReadonlyMap<string, Credential>;
  readonly #random: () => number;
  /** By id: what was heard last. */
  readonly #known = new Map<string, CredentialDescription>();

  constructor(ctx: ActorContext<HealthMessage>, needed: NeededCredentials, random: () => number) {
    this.#ctx = ctx;
    this.#needed = needed;
    const all = DESTINATION_PARTS.flatMap((part) => needed[part]);
    this.#credentials = new Map(all.map((credential) => [credential.id, credential]));
    this.#random = random;
    for (const id of this.#credentials.keys()) this.follow(id);
  }

  isOpenFor(part: DestinationPart): boolean {
    return this.#needed[part].every(({ id }) => this.#known.get(id)?.state === "valid");
  }

  /** Finds the keeper of a credential, started when there is none, and asks it for news. */
  follow(id: string): void {
    const keeper = this.#keeperOf(id);
    const by: ActorRef<CredentialNews> = this.#ctx.self;
    if (keeper?.send({ type: "follow", by }) !== "delivered") return this.#followLater(id);
    this.#ctx.watch(keeper, () => ({ type: "keeper_ended", id }));
  }

  /** What was heard stays until there are other news. */
  keeperEnded(id: string): void {
    this.#followLater(id);
  }

  note({ id, description }: CredentialNews): void {
    this.#known.set(id, description);
  }

  /** The one that keeps jobs waiting, or else will do so first, and who needs it; undefined where none is needed. */
  worst(): (CredentialDescription & { readonly parts: readonly DestinationPart[] }) | undefined {
    const all = Array.from(this.#credentials.values(), ({ id, name }) => {
      const parts = DESTINATION_PARTS.filter((part) => this.#needed[part].some((one) => one.id === id));
      return { ...(this.#known.get(id) ?? ({ name, state: "unknown" } as const)), parts };
    });
    return all.toSorted((a, b) => urgencyOf(a) - urgencyOf(b))[0];
  }

  #keeperOf(id: string): ActorRef<CredentialMessage> | undefined {
    const found = this.#ctx.find(credentialName(id));
    const credential = this.#credentials.get(id);
    if (found !== undefined || credential === undefined) return found;
    try {
      return this.#ctx.find(CREDENTIALS)?.startChild<CredentialMessage>(
        actor({
          id: `credential:${id}`,
          name: credentialName(id),
          // One without followers ends, and is started again by the next.
          restart: "transient",
          // A command that makes one may take some time to be ended, too.
          shutdownMs: 15_000,
          factory: credentialKeeper(credential, this.#random),
        }),
      );
    } catch (error) {
      if (error instanceof NameTakenError || error instanceof SupervisorNotRunningError) return undefined;
      throw error;
    }
  }

  #followLater(id: string): void {
    this.#ctx.startTimer(`follow:${id}`, FOLLOW_AGAIN_MS, { type: "follow_credential", id });
  }
}

function urgencyOf(description: CredentialDescription): number {
  switch (description.state) {
    case "lost":
      return Number.NEGATIVE_INFINITY;
    case "unknown":
      return -1;
    case "valid":
      return description.trouble === null ? description.endsMs : 0;
  }
}
