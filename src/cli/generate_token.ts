import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { importJWK, SignJWT } from "jose";
import { BartenderError, messageOf } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import { type CommandIo, EXIT } from "./io.ts";

/** Ways to print a token: bare, or as a line for a request header. */
export type TokenFormat = "plain" | "header";

/** Smallest RSA modulus that tokens may be signed with (RFC 7518 §3.3). */
const MIN_BITS = 2048;
const MAX_USERNAME_LENGTH = 254;

/** What a token says. */
export interface TokenContent {
  /** `sub`, the user. */
  readonly username: string;
  readonly roles: readonly string[];
  /** `iss`. */
  readonly issuer: string;
  /** Minutes from now until `exp`. */
  readonly lifetimeMinutes: number;
}

export interface GenerateTokenOptions extends TokenContent {
  /** PEM file, PKCS#1 or PKCS#8; relative to the working directory. */
  readonly privateKey: string;
  readonly format: TokenFormat;
  readonly clock: Clock;
}

/**
 * Signs a token and prints it.
 *
 * @returns the exit status
 */
export async function runGenerateToken(options: GenerateTokenOptions, io: CommandIo): Promise<number> {
  const faults = faultsOf(options);
  for (const fault of faults) io.stderr(`${fault}\n`);
  if (faults.length > 0) return EXIT.usage;
  try {
    const key = readPrivateKey(resolve(io.cwd, options.privateKey));
    const token = await signToken(key, options, options.clock);
    io.stdout(options.format === "header" ? `Authorization: Bearer ${token}\n` : `${token}\n`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof BartenderError)) throw error;
    io.stderr(`${error.message}\n`);
    return EXIT.fault;
  }
}

/** A JSON Web Token (RFC 7519) with RS256. */
export async function signToken(key: KeyObject, content: TokenContent, clock: Clock): Promise<string> {
  const nowS = Math.floor(clock.nowMs() / 1000);
  return new SignJWT({ roles: [...content.roles] })
    .setProtectedHeader({ alg: "RS256", typ: "JWT" })
    .setSubject(content.username)
    .setIssuer(content.issuer)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + content.lifetimeMinutes * 60)
    .sign(await importJWK(key.export({ format: "jwk" }), "RS256"));
}

/** Tokens that the service would refuse are not made; an expired one is, for trying out. */
function faultsOf(options: GenerateTokenOptions): readonly string[] {
  const { username, lifetimeMinutes } = options;
  const faults: string[] = [];
  if (username === "" || [...username].length > MAX_USERNAME_LENGTH) {
    faults.push(`--username: expected 1 to ${MAX_USERNAME_LENGTH} characters, got ${[...username].length}`);
  }
  if (/\p{Cc}|\p{Cs}/u.test(username)) faults.push("--username: expected no control characters");
  if (!Number.isSafeInteger(lifetimeMinutes)) {
    faults.push(`--lifetime: expected an integer of minutes, got ${lifetimeMinutes}`);
  }
  return faults;
}

function readPrivateKey(path: string): KeyObject {
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw unusable(
      path,
      isAbsent ? 'does not exist; make a key pair with "bartender generate-keys"' : messageOf(error),
    );
  }
  if (/-----BEGIN [A-Z ]*PUBLIC KEY-----/.test(pem))
    throw unusable(path, "holds a public key, expected the private one");
  if (/-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem))
    throw unusable(path, "is encrypted, expected a plain key");
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw unusable(path, "is not a PEM private key (PKCS#1 or PKCS#8)", error);
  }
  if (key.asymmetricKeyType !== "rsa")
    throw unusable(path, `holds a key of type ${key.asymmetricKeyType}, expected RSA`);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < MIN_BITS) throw unusable(path, `has ${bits} bits, expected at least ${MIN_BITS}`);
  return key;
}

function unusable(path: string, reason: string, cause?: unknown): BartenderError {
  return new BartenderError("key_file_unusable", `Private key file "${path}" ${reason}`, { cause });
}
