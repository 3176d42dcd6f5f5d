import { type IncomingMessage, request } from "node:http";
import { messageOf } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { USER_HEADER } from "./user_header.ts";
import { decode } from "./wire.ts";

/** The daemon gave a definite answer, which is not the one that was hoped for. */
export class ConsoleRefusal extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = "ConsoleRefusal";
    this.status = status;
  }
}

/** Nobody answers at the socket. */
export class ConsoleUnreachableError extends Error {
  constructor(socket: string, cause: unknown) {
    const code = (cause as { readonly code?: string }).code;
    const reason = REASONS[code ?? ""] ?? messageOf(cause);
    super(`No Bartender answers at ${socket}: ${reason}`, { cause });
    this.name = "ConsoleUnreachableError";
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket; is the daemon running, and is BARTENDER_CONSOLE_SOCKET the same for it?",
  ECONNREFUSED: "the daemon that made the socket is gone",
  EACCES: "permission denied; only the account of the daemon and its group may use the console",
};

/** Speaks to the console of a daemon. Every method throws {@link ConsoleUnreachableError} or {@link ConsoleRefusal}. */
export interface ConsoleClient {
  readonly socket: string;
  /** The answer as it came. */
  raw(method: "GET" | "POST", path: string, body?: JsonValue): Promise<JsonValue>;
  /** The answer as the daemon's own type. */
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: JsonValue): Promise<T>;
  /** Bytes of a log. */
  bytes(path: string): Promise<{ readonly bytes: Uint8Array; header(name: string): string }>;
  /** Lines as they come, until the daemon or `signal` ends them. */
  lines(path: string, signal: AbortSignal): AsyncIterable<string>;
}

/** @param user for whom the daemon is asked; it writes that down as a claim */
export function consoleClient(socket: string, user: string): ConsoleClient {
  const open = (method: string, path: string, body?: JsonValue, signal?: AbortSignal): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = { [USER_HEADER]: user, "content-type": "application/json" };
      const asked = request({ socketPath: socket, path, method, headers, ...(signal === undefined ? {} : { signal }) });
      asked.once("response", resolve);
      asked.once("error", (error) => reject(new ConsoleUnreachableError(socket, error)));
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const raw: ConsoleClient["raw"] = async (method, path, body) => {
    const response = await open(method, path, body);
    const answer = JSON.parse((await readAll(response)).toString("utf8")) as JsonValue;
    refuse(response, answer);
    return answer;
  };
  return {
    socket,
    raw,
    get: async <T>(path: string) => decode<T>(await raw("GET", path)),
    post: async <T>(path: string, body?: JsonValue) => decode<T>(await raw("POST", path, body)),
    async bytes(path) {
      const response = await open("GET", path);
      const bytes = await readAll(response);
      if ((response.statusCode ?? 0) >= 400) refuse(response, JSON.parse(bytes.toString("utf8")) as JsonValue);
      return { bytes, header: (name) => String(response.headers[name] ?? "") };
    },
    async *lines(path, signal) {
      const response = await open("GET", path, undefined, signal);
      let rest = "";
      try {
        for await (const chunk of response.setEncoding("utf8")) {
          const parts = `${rest}${chunk}`.split("\n");
          rest = parts.pop() ?? "";
          yield* parts.filter((line) => line !== "");
        }
      } catch (error) {
        if (!signal.aborted) throw new ConsoleUnreachableError(socket, error);
      }
    },
  };
}

function refuse({ statusCode = 0 }: IncomingMessage, answer: JsonValue): void {
  if (statusCode < 400) return;
  throw new ConsoleRefusal(statusCode, detailOf(answer));
}

function detailOf(answer: JsonValue): string {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return JSON.stringify(answer);
  const { detail, lines } = answer as Readonly<Record<string, JsonValue>>;
  if (typeof detail === "string") return detail;
  // A refused reload tells each fault.
  return Array.isArray(lines) ? lines.join("\n") : JSON.stringify(answer);
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
