import { describe, expect, test } from "bun:test";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GenerateKeysOptions, runGenerateKeys } from "../../src/cli/generate_keys.ts";
import { loadPublicKey } from "../../src/http/public_key.ts";
import { capturedIo } from "../support/captured_io.ts";
import { tempDir } from "../support/temp_dir.ts";

function setup() {
  const directory = tempDir();
  const run = async (changes: Partial<GenerateKeysOptions> = {}) => {
    const { io, written } = capturedIo(directory.path);
    const status = await runGenerateKeys(
      { privateKey: "private_key.pem", publicKey: "public_key.pem", force: false, bits: 2048, ...changes },
      io,
    );
    return { status, ...written() };
  };
  const path = (name: string) => join(directory.path, name);
  return { run, path, directory: directory.path, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

describe("generate-keys", () => {
  test("makes a pair that belongs together, the private key for its owner only", async () => {
    using world = setup();
    const { status, stdout, stderr } = await world.run();
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("DIR/private_key.pem");
    const privatePem = readFileSync(world.path("private_key.pem"), "utf8");
    const publicPem = readFileSync(world.path("public_key.pem"), "utf8");
    expect(privatePem).toStartWith("-----BEGIN PRIVATE KEY-----");
    expect(publicPem).toStartWith("-----BEGIN PUBLIC KEY-----");
    expect(createPrivateKey(privatePem).asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(createPublicKey(privatePem).export({ type: "spki", format: "pem" })).toBe(publicPem);
    expect(statSync(world.path("private_key.pem")).mode & 0o777).toBe(0o600);
    expect((await loadPublicKey(world.path("public_key.pem"))).type).toBe("public");
  });

  test("replaces nothing without --force, and leaves both files alone", async () => {
    using world = setup();
    writeFileSync(world.path("public_key.pem"), "old");
    expect(await world.run()).toEqual({
      status: 1,
      stdout: "",
      stderr: '"DIR/public_key.pem" exists already; replace it with --force\n',
    });
    expect(readdirSync(world.directory)).toEqual(["public_key.pem"]);
    expect(readFileSync(world.path("public_key.pem"), "utf8")).toBe("old");
  });

  test("makes a private key with mode 600 also in the place of one that everybody could read", async () => {
    using world = setup();
    writeFileSync(world.path("private_key.pem"), "old", { mode: 0o644 });
    expect(await world.run({ force: true })).toMatchObject({ status: 0 });
    expect(statSync(world.path("private_key.pem")).mode & 0o777).toBe(0o600);
  });

  test("leaves no half of a pair when it cannot write", async () => {
    using world = setup();
    const result = await world.run({ publicKey: "no/such/directory/public_key.pem" });
    expect(result).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining("Keys cannot be written: ENOENT"),
    });
    expect(existsSync(world.path("private_key.pem"))).toBe(false);
  });

  test.each([1024, 2047, 0, 2048.5, Number.NaN, 100_000])("refuses %p bits", async (bits) => {
    using world = setup();
    expect(await world.run({ bits })).toEqual({
      status: 2,
      stdout: "",
      stderr: `--bits: expected an integer from 2048 to 16384, got ${bits}\n`,
    });
    expect(readdirSync(world.directory)).toEqual([]);
  });

  test("refuses one file for both keys", async () => {
    using world = setup();
    expect(await world.run({ publicKey: "./private_key.pem" })).toMatchObject({ status: 2 });
  });
});
