import { generateKeyPair } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../core/errors.ts";
import { type CommandIo, EXIT } from "./io.ts";

/** Smallest RSA modulus that tokens may be signed with (RFC 7518 §3.3). */
const MIN_BITS = 2048;
/** Larger ones take minutes to make and gain nothing. */
const MAX_BITS = 16_384;

export interface GenerateKeysOptions {
  /** Where the private key goes; relative to the working directory. */
  readonly privateKey: string;
  /** Where the public key goes; relative to the working directory. */
  readonly publicKey: string;
  /** Replace existing files. */
  readonly force: boolean;
  /** Size of the RSA modulus, 2048–16384. */
  readonly bits: number;
}

/**
 * Makes an RSA key pair for tokens: PKCS#8 with mode 600 and SubjectPublicKeyInfo, both PEM. Either both files are
 * written or none.
 *
 * @returns the exit status
 */
export async function runGenerateKeys(options: GenerateKeysOptions, io: CommandIo): Promise<number> {
  const { bits, force } = options;
  if (!Number.isInteger(bits) || bits < MIN_BITS || bits > MAX_BITS) {
    io.stderr(`--bits: expected an integer from ${MIN_BITS} to ${MAX_BITS}, got ${bits}\n`);
    return EXIT.usage;
  }
  const privatePath = resolve(io.cwd, options.privateKey);
  const publicPath = resolve(io.cwd, options.publicKey);
  if (privatePath === publicPath) {
    io.stderr(`--private-key and --public-key: expected two files, got "${privatePath}" twice\n`);
    return EXIT.usage;
  }
  const existing = [privatePath, publicPath].filter((path) => existsSync(path));
  if (existing.length > 0 && !force) {
    for (const path of existing) io.stderr(`"${path}" exists already; replace it with --force\n`);
    return EXIT.fault;
  }
  const pair = await promisify(generateKeyPair)("rsa", {
    modulusLength: bits,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  try {
    replaceFile(privatePath, pair.privateKey, 0o600);
    replaceFile(publicPath, pair.publicKey, 0o644);
  } catch (error) {
    if (existing.length === 0) rmSync(privatePath, { force: true });
    io.stderr(`Keys cannot be written: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
  io.stdout(
    `Private key, for whoever signs tokens: ${privatePath}\nPublic key, for the service:          ${publicPath}\n`,
  );
  return EXIT.ok;
}

/** A new file instead of new content: an old one may be readable for others. */
function replaceFile(path: string, content: string, mode: number): void {
  rmSync(path, { force: true });
  writeFileSync(path, content, { flag: "wx", mode });
}
