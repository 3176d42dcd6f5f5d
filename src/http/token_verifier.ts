import { type CryptoKey, compactVerify, decodeProtectedHeader, errors } from "jose";
import type { Clock } from "../ports/clock.ts";
import { TokenCache } from "./token_cache.ts";
import { checkClaims, isExpired, type TokenClaims, type VerifiedToken } from "./token_claims.ts";
import { TokenError } from "./token_error.ts";

/**
 * Checks a token and tells whose it is.
 *
 * @throws {TokenError} when the token is not valid, or no longer
 */
export type VerifyToken = (token: string) => VerifiedToken | Promise<VerifiedToken>;

export interface TokenVerifierOptions {
  readonly publicKey: CryptoKey;
  readonly clock: Clock;
  /** Accepted values of `iss`; undefined accepts every issuer. */
  readonly issuers: readonly string[] | undefined;
  /** How many valid tokens are remembered until they expire. */
  readonly cacheSize: number;
}

/** The one algorithm that is accepted (RFC 7518 §3.3). */
const ALGORITHM = "RS256";

/** Longer tokens are refused unseen: no honest issuer needs them. */
const MAX_TOKEN_LENGTH = 32_768;

/**
 * Makes a verifier of JSON Web Tokens (RFC 7519) signed with RS256. A valid token is remembered until it expires,
 * so that its signature is checked once; bad tokens are not remembered.
 */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const { publicKey, clock, issuers } = options;
  const cache = new TokenCache<TokenClaims>(options.cacheSize);
  return (token) => {
    const known = cache.get(token);
    if (known === undefined) return verifyNew(token);
    if (!isExpired(known.exp, clock.nowMs())) return known;
    cache.delete(token);
    throw new TokenError("Signature has expired.");
  };

  async function verifyNew(token: string): Promise<VerifiedToken> {
    if (token.length > MAX_TOKEN_LENGTH) throw new TokenError("Token is too long.");
    const payload = await verifySignature(token, publicKey);
    const claims = checkClaims(parsePayload(payload), clock.nowMs(), issuers);
    cache.set(token, claims);
    return claims;
  }
}

async function verifySignature(token: string, publicKey: CryptoKey): Promise<Uint8Array> {
  if (token.split(".").length !== 3) throw new TokenError("Not enough segments");
  checkHeader(token);
  try {
    return (await compactVerify(token, publicKey, { algorithms: [ALGORITHM] })).payload;
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      throw new TokenError("Signature verification failed.", error);
    }
    if (error instanceof errors.JOSEError) throw new TokenError("Invalid token.", error);
    throw error;
  }
}

/** `typ` and `kid` are ignored; an extension that has to be understood (`crit`) is not. */
function checkHeader(token: string): void {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(token);
  } catch (error) {
    throw new TokenError("Invalid header string", error);
  }
  if (header.alg !== ALGORITHM) throw new TokenError("The specified alg value is not allowed");
  if (header.crit !== undefined) throw new TokenError("Critical header parameters are not supported");
}

function parsePayload(payload: Uint8Array): Readonly<Record<string, unknown>> {
  let claims: unknown;
  try {
    claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (error) {
    throw new TokenError("Invalid payload string", error);
  }
  if (isRecord(claims)) return claims;
  throw new TokenError("Invalid payload string: must be a json object");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
