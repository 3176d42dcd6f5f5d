import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readTar, TarFormatError } from "../../src/files/tar_reader.ts";
import { tempDir } from "../support/temp_dir.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function filesOf(bytes: Uint8Array, pieceSize = 1000): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { path, size, body } of readTar(inPieces(bytes, pieceSize))) {
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    const content = Buffer.concat(pieces);
    expect(content.length).toBe(size);
    files[path] = content.toString("latin1");
  }
  return files;
}

function archive(directory: string, format = "gnu"): Buffer {
  return execFileSync("tar", ["-c", `--format=${format}`, "--sort=name", "-C", directory, "."], {
    maxBuffer: 100_000_000,
  });
}

/** Names and sizes at all the edges of the format. */
function planted(directory: string): Record<string, string> {
  const files: Record<string, string> = {
    "./empty": "",
    "./block": "x".repeat(512),
    "./more": "y".repeat(513),
    "./odd \n name": "odd",
    [`./${"n".repeat(98)}`]: "98",
    [`./${"n".repeat(99)}`]: "99",
    [`./${"n".repeat(200)}`]: "200",
    [`./d/${"e".repeat(200)}/f`]: "deep",
    "./large": "z".repeat(300_000),
  };
  mkdirSync(join(directory, "d", "e".repeat(200)), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return files;
}

test("files that tar has packed come out as they were, however the bytes are cut", async () => {
  using dir = tempDir();
  const files = planted(dir.path);
  const bytes = archive(dir.path);
  for (const size of [1_000_000, 4096, 513, 7]) expect(await filesOf(bytes, size)).toEqual(files);
});

test("a content that nobody reads is skipped", async () => {
  using dir = tempDir();
  planted(dir.path);
  const paths: string[] = [];
  for await (const { path } of readTar(inPieces(archive(dir.path), 999))) paths.push(path);
  expect(paths).toHaveLength(9);
});

test("links and other formats are refused", async () => {
  using dir = tempDir();
  symlinkSync("/etc/passwd", join(dir.path, "link"));
  await expect(filesOf(archive(dir.path))).rejects.toThrow('the unexpected type "2"');
  using other = tempDir();
  planted(other.path);
  await expect(filesOf(archive(other.path, "pax"))).rejects.toThrow(TarFormatError);
});

test("an archive that breaks off is refused wherever it does", async () => {
  using dir = tempDir();
  writeFileSync(join(dir.path, "file"), "x".repeat(600));
  const bytes = archive(dir.path);
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  for (let length = 0; length < end; length += 37) {
    await expect(filesOf(bytes.subarray(0, length))).rejects.toThrow("breaks off");
  }
});

test("an archive with any one byte of a header changed is refused or has the same files", async () => {
  using dir = tempDir();
  writeFileSync(join(dir.path, "file"), "content");
  const bytes = archive(dir.path);
  const whole = await filesOf(bytes);
  const header = bytes.indexOf("./file");
  for (let at = header; at < header + 512; at++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8((changed.readUInt8(at) + 1) % 256, at);
    const files = await filesOf(changed).catch((error: unknown) => error);
    if (!(files instanceof TarFormatError)) expect(files).toEqual(whole);
  }
});
