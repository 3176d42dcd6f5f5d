import { getCookie } from "hono/cookie";
import type { EdgeContext, EdgeDeps } from "./edge.ts";
import { queryValue } from "./parameter_check.ts";
import { Refusal } from "./refusal.ts";
import type { VerifiedToken } from "./token_claims.ts";
import { TokenError } from "./token_error.ts";

/** Name of the cookie that may hold a token. */
const TOKEN_COOKIE = "bartenderToken";

/** Who sends a request. */
export interface Caller extends VerifiedToken {
  /** The token as received. */
  readonly token: string;
}

/**
 * Finds out who sends a request. The first token found counts, in cookie, query and `Authorization` header in this
 * order; the others are not looked at, however good they are.
 *
 * @throws {Refusal} 403 without a token, 401 with a bad one
 */
export async function authenticate(c: EdgeContext, deps: Pick<EdgeDeps, "verifyToken" | "tokens">): Promise<Caller> {
  const token = tokenOf(c, deps.tokens);
  if (token === undefined) throw new Refusal(403, "Not authenticated");
  try {
    return { ...(await deps.verifyToken(token)), token };
  } catch (error) {
    if (error instanceof TokenError) throw new Refusal(401, error.message, { cause: error });
    throw error;
  }
}

function tokenOf(c: EdgeContext, allowed: EdgeDeps["tokens"]): string | undefined {
  return (
    (allowed.allowCookie && getCookie(c, TOKEN_COOKIE)) ||
    (allowed.allowQuery && queryValue(c, "token")) ||
    bearerToken(c.req.header("authorization"))
  );
}

/** The token of `Authorization: Bearer …` (RFC 6750 §2.1); another scheme counts as no token. */
function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^bearer +(\S.*)$/i.exec(header.trim())?.[1];
}
