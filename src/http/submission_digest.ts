import { createHash } from "node:crypto";
import { sortByBytes } from "../files/sort_by_bytes.ts";
import type { Turns } from "../files/turns.ts";
import type { ZipIndex } from "./zip_index.ts";

/**
 * Stands for what is submitted: two submissions have the same digest when form values and files are the same, also
 * when a client packed them anew, with other times or another compression. Costs no reading of file data, because an
 * archive tells the checksum of each file. Where the job is submitted to is not part of it.
 *
 * @returns SHA-256 as 64 hexadecimal digits
 */
export async function submissionDigest(
  fields: Readonly<Record<string, string>>,
  index: ZipIndex,
  turns: Turns,
): Promise<string> {
  const lines: string[] = [];
  const add = async (...parts: readonly (string | number | boolean)[]): Promise<void> => {
    // JSON keeps neighbouring texts apart.
    lines.push(JSON.stringify(parts));
    const turn = turns.next();
    if (turn !== undefined) await turn;
  };
  for (const [name, value] of Object.entries(fields)) await add("value", name, value);
  for (const path of index.tree.directories) await add("directory", path);
  for (const { path, size, crc32, isExecutable } of index.files) await add("file", path, size, crc32, isExecutable);

  const hash = createHash("sha256");
  for (const line of await sortByBytes(lines, turns)) {
    hash.update(line);
    const turn = turns.next();
    if (turn !== undefined) await turn;
  }
  return hash.digest("hex");
}
