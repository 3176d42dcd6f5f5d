import { createHash } from "node:crypto";
import type { RedisClient } from "./redis_connection.ts";

/** A program for the server, which runs it without any other command in between. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

export function redisScript(text: string): RedisScript {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/** Sends the program itself only to a server that does not have it yet. */
export async function runScript(
  client: RedisClient,
  { text, sha }: RedisScript,
  keys: readonly string[],
  values: readonly string[],
): Promise<unknown> {
  const what = { keys: [...keys], arguments: [...values] };
  try {
    return await client.evalSha(sha, what);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return await client.eval(text, what);
  }
}
