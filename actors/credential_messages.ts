import type { ActorRef } from "./kernel/actor.ts";
import type { DynamicChildren } from "./kernel/child_spec.ts";
import { type Name, nameOf } from "./kernel/registry.ts";

/** What is known about a credential, for those who need it. Times are milliseconds since 1970. */
export type CredentialDescription = { readonly name: string } & (
  | { readonly state: "unknown" }
  | {
      readonly state: "valid";
      readonly endsMs: number;
      /** Why it could not be renewed when it was time to; null when all is well. */
      readonly trouble: string | null;
      /** When it is looked at next. */
      readonly nextTryMs: number;
    }
  | { readonly state: "lost"; readonly reason: string; readonly sinceMs: number; readonly nextTryMs: number }
);

/** To whoever follows a credential: at once, and after each change. */
export interface CredentialNews {
  readonly type: "credential_changed";
  readonly id: string;
  readonly description: CredentialDescription;
}

/** To the actor that keeps a credential. */
export type CredentialMessage =
  /** Repeated: the same follower. */
  | { readonly type: "follow"; readonly by: ActorRef<CredentialNews> }
  | { readonly type: "follower_ended"; readonly by: ActorRef<CredentialNews> }
  | { readonly type: "due" }
  | { readonly type: "checked"; readonly leftMs: number; readonly reason: string }
  | { readonly type: "made" }
  | { readonly type: "failed"; readonly reason: string };

/** The supervisor of all keepers of credentials, which come and go with the destinations that need them. */
export const CREDENTIALS: Name<DynamicChildren> = nameOf("credentials");

export function credentialName(id: string): Name<ActorRef<CredentialMessage>> {
  return nameOf(`credential:${id}`);
}
