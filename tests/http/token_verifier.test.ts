import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadPublicKey } from "../../src/http/public_key.ts";
import { createTokenVerifier, type TokenVerifierOptions } from "../../src/http/token_verifier.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { tempDir } from "../support/temp_dir.ts";
import { type Claims, segment, tokenFactory } from "../support/token_factory.ts";

async function setup(changes: Partial<TokenVerifierOptions> = {}) {
  using directory = tempDir();
  const tokens = tokenFactory();
  const keyFile = join(directory.path, "public_key.pem");
  writeFileSync(keyFile, tokens.publicKeyPem);
  const clock = new ManualClock();
  const verify = createTokenVerifier({
    publicKey: await loadPublicKey(keyFile),
    clock,
    issuers: undefined,
    cacheSize: 10,
    ...changes,
  });
  const nowS = clock.nowMs() / 1000;
  const good: Claims = { sub: "alice", iss: "tests", exp: nowS + 60 };
  const outcome = async (token: string): Promise<unknown> => {
    try {
      return await verify(token);
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : error;
    }
  };
  return { tokens, clock, nowS, good, outcome };
}

const refused = (text: string) => `TokenError: ${text}`;

describe("a token", () => {
  test("tells who its bearer is", async () => {
    const { tokens, good, outcome } = await setup();
    expect(await outcome(tokens.sign({ ...good, roles: ["admin", "user"] }))).toMatchObject({
      username: "alice",
      roles: ["admin", "user"],
    });
  });

  test("without roles gives none", async () => {
    const { tokens, good, outcome } = await setup();
    expect(await outcome(tokens.sign(good))).toMatchObject({ roles: [] });
  });

  test("may have any typ and kid, claims that nobody knows, and an iat in the future", async () => {
    const { tokens, good, nowS, outcome } = await setup();
    const token = tokens.sign({ ...good, email: "a@b", iat: nowS + 900, jti: "1" }, { typ: "at+jwt", kid: "nobody" });
    expect(await outcome(token)).toMatchObject({ username: "alice" });
  });

  test("is good in the second of exp and nbf, and not one second later or earlier", async () => {
    const { tokens, good, nowS, outcome } = await setup();
    expect(await outcome(tokens.sign({ ...good, exp: nowS, nbf: nowS }))).toMatchObject({ username: "alice" });
    expect(await outcome(tokens.sign({ ...good, exp: nowS - 1 }))).toBe(refused("Signature has expired."));
    expect(await outcome(tokens.sign({ ...good, nbf: nowS + 1 }))).toBe(refused("The token is not yet valid (nbf)"));
  });

  test("signed by somebody else is refused", async () => {
    const { tokens, good, outcome } = await setup();
    const token = tokens.sign(good);
    const [header = "", , signature = ""] = token.split(".");
    const forged = `${header}.${segment({ ...good, sub: "root" })}.${signature}`;
    expect(await outcome(forged)).toBe(refused("Signature verification failed."));
    expect(await outcome(`${token.slice(0, -8)}AAAAAAAA`)).toBe(refused("Signature verification failed."));
    expect(await outcome(`${token.split(".").slice(0, 2).join(".")}.`)).toBe(refused("Signature verification failed."));
  });

  test("with another algorithm is refused: none, HMAC with the public key, absent", async () => {
    const { tokens, good, outcome } = await setup();
    const notAllowed = refused("The specified alg value is not allowed");
    expect(await outcome(`${segment({ alg: "none" })}.${segment(good)}.`)).toBe(notAllowed);
    expect(await outcome(tokens.signWithPublicKey(good))).toBe(notAllowed);
    expect(await outcome(tokens.sign(good, { alg: "PS256" }))).toBe(notAllowed);
    expect(await outcome(`${segment({})}.${segment(good)}.AAAA`)).toBe(notAllowed);
  });

  test("with a critical header parameter is refused", async () => {
    const { tokens, good, outcome } = await setup();
    expect(await outcome(tokens.sign(good, { crit: ["b64"], b64: true }))).toBe(
      refused("Critical header parameters are not supported"),
    );
  });

  test.each(["", "x", "a.b", "a.b.c.d", "..", "%%%.%%%.%%%", `${"a".repeat(50)}.b.c`])(
    "that cannot be decoded is refused: %p",
    async (token) => {
      const { outcome } = await setup();
      expect(await outcome(token)).toMatch(/^TokenError: (?:Not enough segments|Invalid header string)$/);
    },
  );

  test("whose payload is no JSON object is refused", async () => {
    const { tokens, outcome } = await setup();
    expect(await outcome(tokens.sign([1]))).toBe(refused("Invalid payload string: must be a json object"));
    expect(await outcome(tokens.sign("text"))).toBe(refused("Invalid payload string: must be a json object"));
  });

  test("of 100 kB is refused without a look at it", async () => {
    const { tokens, good, outcome } = await setup();
    expect(await outcome(tokens.sign({ ...good, filler: "x".repeat(75_000) }))).toBe(refused("Token is too long."));
  });
});

describe("the claims", () => {
  const withoutClaim = (claims: Claims, name: string): Claims =>
    Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));

  test.each(["exp", "iss", "sub"])("must contain %s", async (name) => {
    const { tokens, good, outcome } = await setup();
    expect(await outcome(tokens.sign(withoutClaim(good, name)))).toBe(
      refused(`missing required key "${name}" among claims`),
    );
  });

  test("are looked for in the order exp, iss, sub", async () => {
    const { tokens, outcome } = await setup();
    expect(await outcome(tokens.sign({}))).toBe(refused('missing required key "exp" among claims'));
    expect(await outcome(tokens.sign({ exp: 1 }))).toBe(refused('missing required key "iss" among claims'));
  });

  const wrong: readonly (readonly [string, Claims, string])[] = [
    ["a sub that is a number", { sub: 5 }, "Subject must be a string."],
    ["a sub that is null", { sub: null }, "Subject must be a string."],
    ["an empty sub", { sub: "" }, "Subject must not be empty."],
    ["a sub of 255 characters", { sub: "é".repeat(255) }, "Subject must have at most 254 characters."],
    ["a sub with a line break", { sub: "a\nb" }, "Subject must not contain control characters."],
    ["a sub with NUL", { sub: "a\0b" }, "Subject must not contain control characters."],
    ["a jti that is a number", { jti: 7 }, "JWT ID must be a string."],
    ["an exp that is a text", { exp: "soon" }, "Expiration Time claim (exp) must be an integer."],
    ["an exp that is null", { exp: null }, "Expiration Time claim (exp) must be an integer."],
    ["an iat that is a text", { iat: "now" }, "Issued At claim (iat) must be an integer."],
    ["an nbf that is a text", { nbf: "now" }, "Not Before claim (nbf) must be an integer."],
    ["an aud", { aud: "bartender" }, "Invalid audience"],
    ["an empty list as aud", { aud: [] }, "Invalid audience"],
    ["an at_hash", { at_hash: "x" }, "No access_token provided to compare against at_hash claim."],
    ["roles that are a text", { roles: "admin" }, "Roles must be a list of strings."],
    ["roles that are null", { roles: null }, "Roles must be a list of strings."],
    ["a role that is a number", { roles: ["admin", 1] }, "Roles must be a list of strings."],
  ];
  test.each(wrong)("must not have %s", async (_, changes, text) => {
    const { tokens, good, outcome } = await setup();
    expect(await outcome(tokens.sign({ ...good, ...changes }))).toBe(refused(text));
  });

  test("may have a sub of 254 characters and one outside the basic plane", async () => {
    const { tokens, good, outcome } = await setup();
    const sub = "😀".repeat(254);
    expect(await outcome(tokens.sign({ ...good, sub }))).toMatchObject({ username: sub });
  });

  test("may name any issuer, unless accepted ones are configured", async () => {
    const anybody = await setup();
    expect(await anybody.outcome(anybody.tokens.sign({ ...anybody.good, iss: 5 }))).toMatchObject({
      username: "alice",
    });
    const { tokens, good, outcome } = await setup({ issuers: ["webapp"] });
    expect(await outcome(tokens.sign(good))).toBe(refused("Invalid issuer"));
    expect(await outcome(tokens.sign({ ...good, iss: "webapp" }))).toMatchObject({ username: "alice" });
  });
});

describe("a verified token", () => {
  test("is answered from memory, without its signature being checked again", async () => {
    const { tokens, clock, good } = await setup();
    using directory = tempDir();
    writeFileSync(join(directory.path, "key.pem"), tokens.publicKeyPem);
    const publicKey = await loadPublicKey(join(directory.path, "key.pem"));
    const verify = createTokenVerifier({ publicKey, clock, issuers: undefined, cacheSize: 10 });
    const token = tokens.sign(good);
    expect(verify(token)).toBeInstanceOf(Promise);
    await verify(token);
    expect(verify(token)).toMatchObject({ username: "alice" });
  });

  test("is forgotten when it expires", async () => {
    const { tokens, clock, good, outcome } = await setup();
    const token = tokens.sign(good);
    expect(await outcome(token)).toMatchObject({ username: "alice" });
    await clock.advance(60_999);
    expect(await outcome(token)).toMatchObject({ username: "alice" });
    await clock.advance(1);
    expect(await outcome(token)).toBe(refused("Signature has expired."));
  });
});
