import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadPublicKey } from "../../src/http/public_key.ts";
import { tempDir } from "../support/temp_dir.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** Recognised by its first line alone. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
AAAA
-----END CERTIFICATE-----
`;

async function load(content: string | Buffer): Promise<string> {
  using directory = tempDir();
  const path = join(directory.path, "key.pem");
  writeFileSync(path, content);
  try {
    return (await loadPublicKey(path)).type;
  } catch (error) {
    return error instanceof Error ? error.message.replace(path, "key.pem") : String(error);
  }
}

describe("the public key file", () => {
  test("may be SubjectPublicKeyInfo or PKCS#1", async () => {
    expect(await load(rsa.publicKey.export({ type: "spki", format: "pem" }))).toBe("public");
    expect(await load(rsa.publicKey.export({ type: "pkcs1", format: "pem" }))).toBe("public");
  });

  test("may have text around the key", async () => {
    expect(await load(`key of the portal\n${rsa.publicKey.export({ type: "spki", format: "pem" })}\n\n`)).toBe(
      "public",
    );
  });

  test("that does not exist is named, with what to do", async () => {
    using directory = tempDir();
    const path = join(directory.path, "absent.pem");
    await expect(loadPublicKey(path)).rejects.toThrow(
      `Public key file "${path}" does not exist; name it in BARTENDER_PUBLIC_KEY, or make a key pair with "bartender generate-keys"`,
    );
  });

  test("that is a directory is named", async () => {
    using directory = tempDir();
    const path = join(directory.path, "key.pem");
    mkdirSync(path);
    await expect(loadPublicKey(path)).rejects.toThrow(`Public key file "${path}" cannot be read: EISDIR`);
  });

  test("must not be the private key", async () => {
    const text = 'Public key file "key.pem" holds a private key; the service must not have it';
    expect(await load(rsa.privateKey.export({ type: "pkcs8", format: "pem" }))).toBe(text);
    expect(await load(rsa.privateKey.export({ type: "pkcs1", format: "pem" }))).toBe(text);
  });

  test("must not be a certificate", async () => {
    expect(await load(CERTIFICATE)).toContain('Public key file "key.pem" holds a certificate');
  });

  test("must hold an RSA key", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    expect(await load(publicKey.export({ type: "spki", format: "pem" }))).toBe(
      'Public key file "key.pem" holds a key of type ec, expected RSA',
    );
  });

  test("must hold a key of at least 2048 bits", async () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    expect(await load(publicKey.export({ type: "spki", format: "pem" }))).toBe(
      'Public key file "key.pem" has 1024 bits, expected at least 2048',
    );
  });

  test.each(["", "hello", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])(
    "must be PEM: %p",
    async (content) => {
      expect(await load(content)).toBe('Public key file "key.pem" is not a PEM public key (SPKI or PKCS#1)');
    },
  );
});
