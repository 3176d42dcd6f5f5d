import { TokenError } from "./token_error.ts";

/** What a valid token says about its bearer. */
export interface VerifiedToken {
  /** The `sub` claim: 1–254 characters. */
  readonly username: string;
  readonly roles: readonly string[];
}

/** The claims of a valid token that matter after its check. */
export interface TokenClaims extends VerifiedToken {
  /** Seconds since 1970. */
  readonly exp: number;
}

type Claims = Readonly<Record<string, unknown>>;

const REQUIRED = ["exp", "iss", "sub"] as const;

/** Width of the column that keeps the submitter. */
const MAX_SUBJECT_LENGTH = 254;

/**
 * Checks the claims of a token whose signature is good, in a fixed order; the first fault counts. There is no leeway.
 *
 * @param issuers accepted values of `iss`; undefined accepts any
 * @throws {TokenError}
 */
export function checkClaims(claims: Claims, nowMs: number, issuers: readonly string[] | undefined): TokenClaims {
  for (const name of REQUIRED) {
    if (!Object.hasOwn(claims, name)) throw new TokenError(`missing required key "${name}" among claims`);
  }
  if (Object.hasOwn(claims, "iat")) seconds(claims.iat, "Issued At claim (iat) must be an integer.");
  if (Object.hasOwn(claims, "nbf")) {
    const nbf = seconds(claims.nbf, "Not Before claim (nbf) must be an integer.");
    if (nbf > Math.floor(nowMs / 1000)) throw new TokenError("The token is not yet valid (nbf)");
  }
  const exp = seconds(claims.exp, "Expiration Time claim (exp) must be an integer.");
  if (isExpired(exp, nowMs)) throw new TokenError("Signature has expired.");
  if (Object.hasOwn(claims, "aud")) throw new TokenError("Invalid audience");
  const isAccepted = issuers === undefined || issuers.some((issuer) => issuer === claims.iss);
  if (!isAccepted) throw new TokenError("Invalid issuer");
  const username = subject(claims.sub);
  if (Object.hasOwn(claims, "jti") && typeof claims.jti !== "string") throw new TokenError("JWT ID must be a string.");
  if (Object.hasOwn(claims, "at_hash")) {
    throw new TokenError("No access_token provided to compare against at_hash claim.");
  }
  return { username, roles: roles(claims), exp };
}

/** A token is good until the end of the second that `exp` names. */
export function isExpired(exp: number, nowMs: number): boolean {
  return exp < Math.floor(nowMs / 1000);
}

function seconds(value: unknown, fault: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TokenError(fault);
  return Math.trunc(value);
}

function subject(sub: unknown): string {
  if (typeof sub !== "string") throw new TokenError("Subject must be a string.");
  if (sub === "") throw new TokenError("Subject must not be empty.");
  if ([...sub].length > MAX_SUBJECT_LENGTH) {
    throw new TokenError(`Subject must have at most ${MAX_SUBJECT_LENGTH} characters.`);
  }
  // Submitters reach databases and scripts of schedulers, where these characters cannot be kept or mean something.
  if (/\p{Cc}|\p{Cs}/u.test(sub)) throw new TokenError("Subject must not contain control characters.");
  return sub;
}

function roles(claims: Claims): readonly string[] {
  if (!Object.hasOwn(claims, "roles")) return [];
  const value = claims.roles;
  if (Array.isArray(value) && value.every((role) => typeof role === "string")) return value;
  throw new TokenError("Roles must be a list of strings.");
}
