import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { type CryptoKey, importJWK } from "jose";
import { BartenderError, messageOf } from "../core/errors.ts";

/** Smallest RSA modulus that RS256 may be used with (RFC 7518 §3.3). */
const MIN_RSA_BITS = 2048;

/** The key file cannot be used; the message names it and says what to do. */
class KeyFileError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("key_file_unusable", message, { cause });
  }
}

/**
 * Reads the RSA public key that tokens are checked with.
 *
 * @param path PEM file, SubjectPublicKeyInfo (`PUBLIC KEY`) or PKCS#1 (`RSA PUBLIC KEY`)
 * @throws {KeyFileError} when there is no such file, or it holds something else
 */
export async function loadPublicKey(path: string): Promise<CryptoKey> {
  const key = parsePublicKey(readKeyFile(path), path);
  const imported = await importJWK(key.export({ format: "jwk" }), "RS256");
  if (imported instanceof Uint8Array) throw new KeyFileError(`Public key file "${path}" holds a symmetric key`);
  return imported;
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isAbsent) throw new KeyFileError(`Public key file "${path}" cannot be read: ${messageOf(error)}`, error);
    throw new KeyFileError(
      `Public key file "${path}" does not exist; name it in BARTENDER_PUBLIC_KEY, or make a key pair with "bartender generate-keys"`,
      error,
    );
  }
}

function parsePublicKey(pem: string, path: string): KeyObject {
  // The parser would take these two as well, and silently work with the public half.
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new KeyFileError(`Public key file "${path}" holds a private key; the service must not have it`);
  }
  if (/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(pem)) {
    throw new KeyFileError(
      `Public key file "${path}" holds a certificate; extract its key with "openssl x509 -pubkey -noout"`,
    );
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw new KeyFileError(`Public key file "${path}" is not a PEM public key (SPKI or PKCS#1)`, error);
  }
  const kind = key.asymmetricKeyType;
  if (kind !== "rsa") throw new KeyFileError(`Public key file "${path}" holds a key of type ${kind}, expected RSA`);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < MIN_RSA_BITS) {
    throw new KeyFileError(`Public key file "${path}" has ${bits} bits, expected at least ${MIN_RSA_BITS}`);
  }
  return key;
}
