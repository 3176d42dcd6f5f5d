import { createHmac, createPrivateKey, createSign, generateKeyPairSync, type KeyObject } from "node:crypto";

/** Claims of a token as they are written into it, valid or not. */
export type Claims = Readonly<Record<string, unknown>>;

/** A key pair for one test run, and tokens signed with it in every way, also wrong ones. */
export interface TokenFactory {
  readonly publicKeyPem: string;
  readonly privateKey: KeyObject;
  /** A token with these claims exactly, and `alg: RS256` unless the header says otherwise; always signed with RSA. */
  sign(claims: unknown, header?: Claims): string;
  /** A good token of `username` that is valid for an hour after `nowMs`. */
  token(username: string, nowMs: number, more?: Claims): string;
  /** Signed with HMAC and the public key as the secret. */
  signWithPublicKey(claims: Claims): string;
}

const pair = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

/** Base64url of the JSON of `value`. */
export function segment(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

export function tokenFactory(): TokenFactory {
  const privateKey = createPrivateKey(pair.privateKey);
  const sign = (claims: unknown, header: Claims = {}): string => {
    const input = `${segment({ alg: "RS256", ...header })}.${segment(claims)}`;
    return `${input}.${createSign("RSA-SHA256").update(input).sign(privateKey, "base64url")}`;
  };
  return {
    publicKeyPem: pair.publicKey,
    privateKey,
    sign,
    token: (username, nowMs, more = {}) =>
      sign({ sub: username, iss: "tests", exp: Math.floor(nowMs / 1000) + 3600, ...more }),
    signWithPublicKey(claims) {
      const input = `${segment({ alg: "HS256" })}.${segment(claims)}`;
      return `${input}.${createHmac("sha256", pair.publicKey).update(input).digest("base64url")}`;
    },
  };
}
