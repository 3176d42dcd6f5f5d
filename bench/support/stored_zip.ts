import { randomBytes } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";

const PIECE_BYTES = 1_000_000;

/**
 * Writes an archive of uncompressed files of noise (PKWARE APPNOTE 4.3).
 *
 * @param fileMb size of each file, in millions of bytes; all together below 4 GB, so that no zip64 is needed
 */
export async function writeStoredZip(path: string, files: number, fileMb: number): Promise<void> {
  const piece = randomBytes(PIECE_BYTES);
  let checksum = 0;
  for (let mb = 0; mb < fileMb; mb++) checksum = crc32(piece, checksum);
  const archive = await open(path, "w");
  try {
    const central: Buffer[] = [];
    let offset = 0;
    for (let n = 0; n < files; n++) {
      const name = Buffer.from(`noise${n}.bin`);
      const local = header(0x04034b50, 30, 4, checksum, fileMb * PIECE_BYTES, name);
      const entry = header(0x02014b50, 46, 6, checksum, fileMb * PIECE_BYTES, name);
      entry.writeUInt32LE(offset, 42);
      central.push(Buffer.concat([entry, name]));
      offset += await write(archive, Buffer.concat([local, name]));
      for (let mb = 0; mb < fileMb; mb++) offset += await write(archive, piece);
    }
    const directory = Buffer.concat(central);
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(files, 8);
    end.writeUInt16LE(files, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(offset, 16);
    await write(archive, Buffer.concat([directory, end]));
  } finally {
    await archive.close();
  }
}

/** A local or central header; the fields that both have start at `at`, with the version needed. */
function header(signature: number, length: number, at: number, checksum: number, bytes: number, name: Buffer): Buffer {
  const head = Buffer.alloc(length);
  head.writeUInt32LE(signature, 0);
  head.writeUInt16LE(20, at);
  head.writeUInt32LE(checksum, at + 10);
  head.writeUInt32LE(bytes, at + 14);
  head.writeUInt32LE(bytes, at + 18);
  head.writeUInt16LE(name.length, at + 22);
  return head;
}

async function write(archive: FileHandle, bytes: Buffer): Promise<number> {
  await archive.writeFile(bytes);
  return bytes.length;
}
