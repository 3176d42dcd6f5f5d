import { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { Refusal } from "./refusal.ts";

/** The content of a file that came within a JSON body. */
export interface EmbeddedFile {
  /** Name of the property, and of the file. */
  readonly name: string;
  readonly content: Uint8Array;
}

/** A fresh private directory with the files in it. */
export interface WrittenFiles {
  /** Absolute. */
  readonly directory: string;
  /** Absolute path of each file by its name. */
  readonly paths: Readonly<Record<string, string>>;
  /** Removes the directory. Idempotent. */
  remove(): Promise<void>;
}

/** RFC 4648 §4, with its padding; line breaks are taken out before, as RFC 2045 §6.8 wants. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Finds the files in a body: the text of every top-level property which `schema` declares as a string with a
 * `contentMediaType`. Absent and empty ones are none.
 *
 * @param body fits `schema`
 * @throws {Refusal} 422 naming every property that is not in its declared `contentEncoding`
 */
export function embeddedFiles(schema: JsonObject, body: JsonObject): readonly EmbeddedFile[] {
  const files: EmbeddedFile[] = [];
  const violations: string[] = [];
  for (const [name, property] of Object.entries(asObject(schema.properties))) {
    const { type, contentMediaType, contentEncoding } = asObject(property);
    const text = Object.hasOwn(body, name) ? body[name] : undefined;
    if (type !== "string" || contentMediaType === undefined || typeof text !== "string" || text === "") continue;
    const content = contentEncoding === "base64" ? decodeBase64(text) : Buffer.from(text, "utf8");
    if (content === undefined) violations.push(`${name}: expected base64`);
    else files.push({ name, content });
  }
  if (violations.length > 0) throw new Refusal(422, violations.join("; "));
  return files;
}

/** @param parent private directory; what a crash leaves in it is cleared away at the next start */
export async function writeEmbeddedFiles(parent: string, files: readonly EmbeddedFile[]): Promise<WrittenFiles> {
  const directory = await mkdtemp(join(parent, "interactive-"));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    for (const { name, content } of files) await writeFile(join(directory, name), content, { mode: 0o600 });
  } catch (error) {
    await remove();
    throw error;
  }
  return { directory, paths: Object.fromEntries(files.map(({ name }) => [name, join(directory, name)])), remove };
}

function decodeBase64(text: string): Uint8Array | undefined {
  const joined = text.replace(/[\r\n]+/g, "");
  return BASE64.test(joined) ? Buffer.from(joined, "base64") : undefined;
}

function asObject(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
