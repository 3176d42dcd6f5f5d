import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, resolve } from "node:path";
import { messageOf } from "../core/errors.ts";
import type { ApiClient } from "./api_client.ts";
import type { ClientIo } from "./client_io.ts";
import { EXIT } from "./io.ts";
import { type PackedDirectory, packDirectory } from "./pack_directory.ts";
import { progress } from "./progress.ts";
import { waitForEnd } from "./wait_for_end.ts";

export interface SubmitOptions {
  /** As typed; relative to the working directory. */
  readonly directory: string;
  readonly application: string;
  /** Form values by name. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Waits for the end of the job. */
  readonly wait: boolean;
  /** Undefined: a random one. */
  readonly idempotencyKey: string | undefined;
}

/**
 * Packs a directory, submits it, and prints the number of the job. Tries that got no answer are repeated with the same
 * `Idempotency-Key`, so that there is one job in the end.
 *
 * @returns the exit status: with `wait`, 0 only when the job is `ok`
 * @throws {ApiError}
 */
export async function runSubmit(client: ApiClient, options: SubmitOptions, io: ClientIo): Promise<number> {
  const onSkipped = (path: string, why: string): void => io.stderr(`warning: ${path} is left out: ${why}\n`);
  const directory = resolve(io.cwd, options.directory);
  let packed: PackedDirectory;
  try {
    packed = await packDirectory(directory, { clock: io.clock, onSkipped });
  } catch (error) {
    io.stderr(`bartender: ${options.directory} cannot be packed: ${messageOf(error)}\n`);
    return EXIT.fault;
  }
  let id: number;
  try {
    id = await submit(client, packed, { ...options, directory }, io);
  } finally {
    await packed.remove();
  }
  io.stdout(`${id}\n`);
  return options.wait ? await waitForEnd(client, id, io) : EXIT.ok;
}

async function submit(
  client: ApiClient,
  packed: PackedDirectory,
  { application, parameters, directory, idempotencyKey = randomUUID() }: SubmitOptions,
  io: ClientIo,
): Promise<number> {
  const boundary = `bartender-${randomUUID()}`;
  const shown = progress("Sending", packed.bytes, { write: io.terminal, clock: io.clock });
  try {
    const path = `/api/application/${encodeURIComponent(application)}`;
    const response = await client.request("PUT", path, {
      headers: {
        "content-type": `multipart/form-data; boundary=${boundary}`,
        "idempotency-key": idempotencyKey,
      },
      isRepeatable: true,
      body: () => formParts(boundary, packed.path, parameters, basename(directory), shown.add),
    });
    await response.body?.cancel();
    const id = /\/api\/job\/(\d+)$/.exec(response.headers.get("location") ?? "")?.[1];
    if (id === undefined) throw new Error(`The answer is ${response.status}, and names no job`);
    return Number(id);
  } finally {
    shown.end();
  }
}

/** `multipart/form-data` (RFC 7578), streamed: values first, so that they are known before the archive is read. */
async function* formParts(
  boundary: string,
  archive: string,
  parameters: ReadonlyMap<string, string>,
  name: string,
  onSent: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const [field, value] of parameters) {
    yield text(`--${boundary}\r\nContent-Disposition: form-data; name="${quoted(field)}"\r\n\r\n${value}\r\n`);
  }
  const disposition = `form-data; name="upload"; filename="${quoted(`${name}.zip`)}"`;
  yield text(`--${boundary}\r\nContent-Disposition: ${disposition}\r\nContent-Type: application/zip\r\n\r\n`);
  for await (const piece of createReadStream(archive)) {
    const bytes = piece as Uint8Array;
    yield bytes;
    onSent(bytes.length);
  }
  yield text(`\r\n--${boundary}--\r\n`);
}

function text(content: string): Uint8Array {
  return Buffer.from(content);
}

/** As browsers do (HTML Living Standard §4.10.21.8). */
function quoted(name: string): string {
  return name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}
