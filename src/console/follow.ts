import type { JsonValue } from "../core/json.ts";
import type { AdminEvent } from "../ports/admin_service.ts";
import type { ConsoleClient } from "./client.ts";
import type { ConsoleContext } from "./context.ts";
import { harmlessLines } from "./paint.ts";
import { showEvent } from "./show_jobs.ts";
import { decode } from "./wire.ts";

const LOOK_MS = 1_000;

/** The last lines of the standard output of a job; empty when there are none, or its host does not answer. */
export async function lastLines(client: ConsoleClient, id: number, lines: number): Promise<string> {
  try {
    const { bytes } = await client.bytes(`/jobs/${id}/logs?lines=${lines}`);
    return new TextDecoder().decode(bytes);
  } catch {
    // What else is known of the job is worth more than its log.
    return "";
  }
}

/** Prints the end of a log, and what is added to it. */
export async function followLog(
  context: ConsoleContext,
  client: ConsoleClient,
  options: {
    readonly id: number;
    readonly follow: boolean;
    readonly stderr: boolean;
    readonly lines: string;
    readonly json: boolean;
  },
): Promise<void> {
  const { id, follow, json } = options;
  const stream = options.stderr ? "stderr" : "stdout";
  const signal = context.stopping();
  const decoder = new TextDecoder();
  let query = `lines=${encodeURIComponent(options.lines)}`;
  let told = "";
  for (;;) {
    const { bytes, header } = await client.bytes(`/jobs/${id}/logs?stream=${stream}&${query}`);
    const state = header("x-job-state");
    const text = decoder.decode(bytes, { stream: true });
    if (json && (text !== "" || state !== told)) context.out(`${JSON.stringify({ id, stream, state, text })}\n`);
    else if (!json && text !== "") context.out(context.isTerminal ? harmlessLines(text) : text);
    told = state;
    const isEnd = (state === "ok" || state === "error") && bytes.length === 0;
    if (!follow || isEnd || signal.aborted) return;
    query = `from=${header("x-next-byte")}`;
    if (bytes.length === 0) await context.sleep(LOOK_MS, signal);
    if (signal.aborted) return;
  }
}

/** Prints what has happened, and what happens. */
export async function followEvents(
  context: ConsoleContext,
  client: ConsoleClient,
  { isFollowed, isJson }: { readonly isFollowed: boolean; readonly isJson: boolean },
): Promise<void> {
  for await (const line of client.lines(`/events?follow=${isFollowed}`, context.stopping())) {
    if (isJson) context.out(`${line}\n`);
    else context.out(showEvent(decode<AdminEvent>(JSON.parse(line) as JsonValue), context.paint));
  }
}
