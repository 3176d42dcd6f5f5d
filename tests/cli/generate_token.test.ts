import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GenerateTokenOptions, runGenerateToken } from "../../src/cli/generate_token.ts";
import { loadPublicKey } from "../../src/http/public_key.ts";
import { createTokenVerifier } from "../../src/http/token_verifier.ts";
import { capturedIo } from "../support/captured_io.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { tempDir } from "../support/temp_dir.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

function setup(privateKey: string | Buffer = rsa.privateKey.export({ type: "pkcs8", format: "pem" })) {
  const directory = tempDir();
  const clock = new ManualClock();
  const publicKeyFile = join(directory.path, "public_key.pem");
  writeFileSync(join(directory.path, "private_key.pem"), privateKey);
  writeFileSync(publicKeyFile, rsa.publicKey.export({ type: "spki", format: "pem" }));
  const run = async (changes: Partial<GenerateTokenOptions> = {}) => {
    const { io, written } = capturedIo(directory.path);
    const status = await runGenerateToken(
      {
        privateKey: "private_key.pem",
        username: "someone",
        roles: [],
        lifetimeMinutes: 60,
        issuer: "bartendercli",
        format: "plain",
        clock,
        ...changes,
      },
      io,
    );
    return { status, ...written() };
  };
  const verifier = async () =>
    createTokenVerifier({ publicKey: await loadPublicKey(publicKeyFile), clock, issuers: undefined, cacheSize: 1 });
  return { run, clock, verifier, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

function claims(token: string): unknown {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

describe("generate-token", () => {
  test("prints a token with its claims, roles also when there are none", async () => {
    using world = setup();
    const { status, stdout, stderr } = await world.run();
    expect([status, stderr]).toEqual([0, ""]);
    const nowS = world.clock.nowMs() / 1000;
    expect(claims(stdout)).toEqual({ sub: "someone", iss: "bartendercli", iat: nowS, exp: nowS + 3600, roles: [] });
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  });

  test("prints what the options say, as a header if wanted", async () => {
    using world = setup();
    const { stdout } = await world.run({
      username: "alice",
      roles: ["a", "b"],
      lifetimeMinutes: 5,
      issuer: "portal",
      format: "header",
    });
    const token = /^Authorization: Bearer (\S+)\n$/.exec(stdout)?.[1] ?? "";
    const nowS = world.clock.nowMs() / 1000;
    expect(claims(token)).toMatchObject({ sub: "alice", iss: "portal", exp: nowS + 300, roles: ["a", "b"] });
  });

  test("makes tokens that the service accepts until their lifetime is over", async () => {
    using world = setup();
    const verify = await world.verifier();
    const token = (await world.run({ username: "alice", roles: ["admin"], lifetimeMinutes: 1 })).stdout.trim();
    expect(await verify(token)).toMatchObject({ username: "alice", roles: ["admin"] });
    await world.clock.advance(61_000);
    expect(() => verify(token)).toThrow("Signature has expired.");
  });

  test("takes a PKCS#1 key too", async () => {
    using world = setup(rsa.privateKey.export({ type: "pkcs1", format: "pem" }));
    const verify = await world.verifier();
    expect(await verify((await world.run()).stdout.trim())).toMatchObject({ username: "someone" });
  });

  test("makes an expired token when asked", async () => {
    using world = setup();
    const verify = await world.verifier();
    const token = (await world.run({ lifetimeMinutes: -1 })).stdout.trim();
    await expect(Promise.resolve(verify(token))).rejects.toThrow("Signature has expired.");
  });

  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
  test.each([
    [
      "a public key",
      rsa.publicKey.export({ type: "spki", format: "pem" }),
      "holds a public key, expected the private one",
    ],
    [
      "an encrypted key",
      rsa.privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }),
      "is encrypted, expected a plain key",
    ],
    ["no key", "hello", "is not a PEM private key (PKCS#1 or PKCS#8)"],
    ["an empty file", "", "is not a PEM private key (PKCS#1 or PKCS#8)"],
    ["another kind of key", ec.export({ type: "pkcs8", format: "pem" }), "holds a key of type ec, expected RSA"],
    ["a small key", small.export({ type: "pkcs8", format: "pem" }), "has 1024 bits, expected at least 2048"],
  ])("explains what is wrong with %s", async (_, pem, reason) => {
    using world = setup(pem);
    expect(await world.run()).toEqual({
      status: 1,
      stdout: "",
      stderr: `Private key file "DIR/private_key.pem" ${reason}\n`,
    });
  });

  test("says how to make a key when there is none", async () => {
    using world = setup();
    expect(await world.run({ privateKey: "absent.pem" })).toMatchObject({
      status: 1,
      stderr: 'Private key file "DIR/absent.pem" does not exist; make a key pair with "bartender generate-keys"\n',
    });
  });

  test("makes no token that the service would refuse, and names every fault", async () => {
    using world = setup();
    expect(await world.run({ username: "", lifetimeMinutes: 1.5 })).toEqual({
      status: 2,
      stdout: "",
      stderr:
        "--username: expected 1 to 254 characters, got 0\n" + "--lifetime: expected an integer of minutes, got 1.5\n",
    });
    expect(await world.run({ username: "x".repeat(255) })).toMatchObject({ status: 2 });
    expect(await world.run({ username: "a\nb" })).toMatchObject({
      status: 2,
      stderr: "--username: expected no control characters\n",
    });
  });
});
