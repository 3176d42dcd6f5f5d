import { machineLoadPerCpu } from "../adapters/scheduler/eager.ts";
import type { Config } from "./config/config.ts";
import type { Environment } from "./config/environment.ts";
import type { JobId } from "./core/ids.ts";
import { createApp } from "./http/app.ts";
import type { EdgeDeps, InteractiveDeps } from "./http/edge.ts";
import { oneAtATime } from "./http/one_at_a_time.ts";
import { loadPublicKey } from "./http/public_key.ts";
import { createTokenVerifier } from "./http/token_verifier.ts";
import type { FetchHandler } from "./runtime/serve.ts";

/** How many verified tokens are remembered. */
const TOKEN_CACHE_SIZE = 10_000;

/** What clients see, which follows the configuration. */
export interface LiveEdge {
  readonly fetch: FetchHandler;
  /**
   * Makes the API of another configuration ready. The public key is read again, too. What is counted per user - requests,
   * streams - is counted anew by it.
   *
   * @returns shows it to clients; requests that are under way end with what they began with
   * @throws when the public key cannot be used
   */
  prepare(config: Config): Promise<() => void>;
}

/** What does not change with the configuration. */
export interface LiveEdgeParts
  extends Omit<EdgeDeps, "applications" | "interactive" | "verifyToken" | "tokens" | "limits" | "usage" | "streams"> {
  readonly environment: Pick<Environment, "publicKeyFile">;
  readonly interactive: Pick<InteractiveDeps, "runner" | "environment">;
}

/** @throws when the public key cannot be used */
export async function liveEdge(first: Config, parts: LiveEdgeParts): Promise<LiveEdge> {
  const { environment, clock } = parts;
  // Of all configurations: commands in one job run one after the other.
  const turns = oneAtATime<JobId>(clock);
  const make = async (config: Config): Promise<FetchHandler> => {
    const publicKey = await loadPublicKey(environment.publicKeyFile);
    const app = createApp({
      ...parts,
      applications: config.applications,
      interactive: {
        ...parts.interactive,
        applications: config.interactiveApplications,
        maxLoad: config.limits.interactiveMaxLoad,
        load: machineLoadPerCpu,
        turns,
      },
      verifyToken: createTokenVerifier({
        publicKey,
        clock,
        issuers: config.tokens.issuers,
        cacheSize: TOKEN_CACHE_SIZE,
      }),
      tokens: config.tokens,
      limits: config.limits,
      usage: config.limits,
      streams: config.limits,
    });
    return (request, connection) => app.fetch(request, connection);
  };
  let current = await make(first);
  return {
    fetch: (request, connection) => current(request, connection),
    async prepare(config) {
      const next = await make(config);
      return () => {
        current = next;
      };
    },
  };
}
