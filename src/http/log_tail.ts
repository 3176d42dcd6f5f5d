import type { JobFile } from "./job_files.ts";

const BLOCK_BYTES = 65_536;
const NEWLINE = 0x0a;

/** Where the last `lines` lines of a file begin, in bytes. A last line without its newline counts. */
export async function startOfLastLines({ handle, size }: JobFile, lines: number): Promise<number> {
  const block = new Uint8Array(BLOCK_BYTES);
  let missing = lines;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await handle.read(block, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) {
      // The newline at the very end ends the last line and begins none.
      if (block[at] !== NEWLINE || start + at === size - 1) continue;
      missing -= 1;
      if (missing === 0) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
