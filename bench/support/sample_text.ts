import { randomBytes } from "node:crypto";

const LINE = "ATOM   1234  CA  ALA A  12      11.104   6.134  -6.504  1.00 20.00\n";

/** Text like that of a structure file, with some noise: it can be compressed to about a quarter. */
export function sampleText(bytes: number): Buffer {
  const noise = randomBytes(Math.ceil(bytes / 6)).toString("base64");
  return Buffer.from((noise + LINE.repeat(Math.ceil(bytes / LINE.length))).slice(0, bytes));
}
