import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Writable } from "node:stream";
import { type ApiClient, ApiError } from "./api_client.ts";
import type { ClientIo, JobJson } from "./client_io.ts";
import { EXIT } from "./io.ts";
import { progress } from "./progress.ts";
import { isEnd } from "./wait_for_end.ts";

/** Lists the newest jobs of the caller, as a table or as the JSON of the API. @throws {ApiError} */
export async function runJobs(
  client: ApiClient,
  options: { readonly limit: number; readonly states: readonly string[]; readonly json: boolean },
  io: ClientIo,
): Promise<number> {
  const query = new URLSearchParams({ limit: String(options.limit) });
  for (const state of options.states) query.append("state", state);
  const response = await client.request("GET", `/api/job/?${query}`, { isRepeatable: true });
  const jobs = (await response.json()) as readonly JobJson[];
  if (options.json) io.stdout(`${JSON.stringify(jobs, undefined, 2)}\n`);
  else io.stdout(table(jobs));
  return EXIT.ok;
}

function table(jobs: readonly JobJson[]): string {
  const rows = jobs.map(({ id, state, application, updated_on, name }) => [
    String(id),
    state,
    application,
    updated_on.replace("T", " ").slice(0, 19),
    name,
  ]);
  const all = [["ID", "STATE", "APPLICATION", "UPDATED (UTC)", "NAME"], ...rows].map((row) => row.map(printable));
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return all.map((row) => `${line(row).trimEnd()}\n`).join("");
}

/** Names come from users: what would steer the terminal is left out. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "�");
}

/** Prints what the command of a job wrote. @returns 0, or 1 when a followed log ended before its job @throws {ApiError} */
export async function runLogs(
  client: ApiClient,
  options: { readonly id: number; readonly log: "stdout" | "stderr"; readonly follow: boolean },
  io: ClientIo,
): Promise<number> {
  const { id, log, follow } = options;
  const path = `/api/job/${id}/${log}${follow ? "?follow=true&keep_alive=true" : ""}`;
  const { body } = await client.request("GET", path, { isRepeatable: true });
  try {
    for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) io.stdout(piece);
  } catch (error) {
    throw new ApiError(`The log broke off: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!follow) return EXIT.ok;
  const response = await client.request("GET", `/api/job/${id}`, { isRepeatable: true });
  if (isEnd(((await response.json()) as JobJson).state)) return EXIT.ok;
  throw new ApiError("The log ended before the job did, as the daemon is stopping; ask again to go on");
}

/** Asks for the end of a job, and does not wait for it. @throws {ApiError} also when the job has ended already */
export async function runCancel(client: ApiClient, { id }: { readonly id: number }): Promise<number> {
  await client.request("POST", `/api/job/${id}/cancel`, { isRepeatable: true });
  return EXIT.ok;
}

/** Saves all files of a job as an archive. An existing file is not replaced without `force`. @throws {ApiError} */
export async function runDownload(
  client: ApiClient,
  options: { readonly id: number; readonly output: string | undefined; readonly force: boolean },
  io: ClientIo,
): Promise<number> {
  const { id, output = "." } = options;
  const given = resolve(io.cwd, output);
  const isDirectory = (await stat(given).catch(() => undefined))?.isDirectory() === true;
  const path = isDirectory ? join(given, `job-${id}.zip`) : given;
  const format = /\.(zip|tar|tar\.gz|tar\.xz|tar\.bz2)$/.exec(path)?.[0];
  if (format === undefined) {
    throw new ApiError(`--output: expected a directory or a file ending in .zip, .tar, .tar.gz, .tar.xz or .tar.bz2`);
  }
  if (!options.force && (await stat(path).catch(() => undefined)) !== undefined) {
    throw new ApiError(`${path} exists already; --force replaces it`);
  }
  const query = new URLSearchParams({ archive_format: format });
  const { body } = await client.request("GET", `/api/job/${id}/archive?${query}`, { isRepeatable: true });
  const shown = progress("Receiving", undefined, { write: io.terminal, clock: io.clock });
  const part = `${path}.part`;
  try {
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        shown.add(piece.length);
        controller.enqueue(piece);
      },
    });
    // Complete or not there at all.
    await body?.pipeThrough(counted).pipeTo(Writable.toWeb(createWriteStream(part)));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw new ApiError(`The archive broke off: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    shown.end();
  }
  io.stdout(`${path}\n`);
  return EXIT.ok;
}
