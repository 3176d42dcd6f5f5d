import { readFile } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommandIo } from "./io.ts";

/** Where the daemon is and who asks, as the command line and the environment say. */
export interface ApiAddress {
  /** Without a final slash. */
  readonly url: string;
  readonly token: string;
}

/** The daemon refused, or did not answer; the message is for people. */
export class ApiError extends Error {
  /** HTTP status; undefined without an answer. */
  readonly status: number | undefined;

  constructor(message: string, status?: number, cause?: unknown) {
    super(message, { cause });
    this.name = "ApiError";
    this.status = status;
  }
}

export interface ApiRequest {
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each try. */
  readonly body?: () => AsyncGenerator<Uint8Array, void, undefined>;
  /** True when sending it twice does no harm; then it is tried a few times. */
  readonly isRepeatable?: boolean;
}

/** Requests to the API with the token of the caller. */
export interface ApiClient {
  /** @returns an answer below 400; redirects are not followed @throws {ApiError} */
  request(method: string, path: string, options?: ApiRequest): Promise<Response>;
}

/** Waits between tries; the last one is not tried again. */
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000] as const;

/** The daemon, or a proxy before it, may answer otherwise in a moment. */
const PASSING = [429, 502, 503, 504];

/** Longer ones are told instead of waited for. */
const LONGEST_RETRY_AFTER_S = 60;

/**
 * Reads `--url` and `--token-file`, else `BARTENDER_URL`, `BARTENDER_TOKEN` and `BARTENDER_TOKEN_FILE`. There is no option
 * for the token itself, as everybody on the machine sees the options of a command.
 *
 * @throws {ApiError} when there is no token, or an address is none
 */
export async function apiAddress(
  options: { readonly url?: string | undefined; readonly tokenFile?: string | undefined },
  { env }: Pick<CommandIo, "env">,
): Promise<ApiAddress> {
  const url = options.url ?? env.BARTENDER_URL ?? "http://127.0.0.1:8000";
  if (!/^https?:\/\/./.test(url) || !URL.canParse(url)) {
    throw new ApiError(`--url: expected an address like http://127.0.0.1:8000, got ${JSON.stringify(url)}`);
  }
  const file = options.tokenFile ?? (env.BARTENDER_TOKEN === undefined ? env.BARTENDER_TOKEN_FILE : undefined);
  const token = file === undefined ? (env.BARTENDER_TOKEN ?? "") : await tokenOf(file);
  if (token.trim() === "") throw new ApiError("A token is needed: BARTENDER_TOKEN, or --token-file with its file");
  return { url: url.replace(/\/+$/, ""), token: token.trim() };
}

async function tokenOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new ApiError(`The file of the token cannot be read: ${messageOf(error)}`);
  }
}

/** @param onRetry told before each further try */
export function apiClient(
  { url, token }: ApiAddress,
  { clock, onRetry }: { readonly clock: Clock; readonly onRetry: (reason: string) => void },
): ApiClient {
  const once = async (method: string, path: string, { headers, body }: ApiRequest): Promise<Response> => {
    const all = { ...headers, authorization: `Bearer ${token}` };
    const streamed = body === undefined ? {} : ({ body: streamOf(body()), duplex: "half" } as const);
    let response: Response;
    try {
      response = await fetch(url + path, { method, headers: all, redirect: "manual", ...streamed });
    } catch (error) {
      throw new ApiError(`${url} does not answer: ${messageOf(error)}`, undefined, error);
    }
    if (response.status < 400) return response;
    throw new RefusedError(await detailOf(response), response);
  };
  return {
    async request(method, path, options = {}) {
      for (let tries = 0; ; tries++) {
        try {
          return await once(method, path, options);
        } catch (error) {
          const waitMs = options.isRepeatable === true ? waitBefore(tries, error) : undefined;
          if (waitMs === undefined) throw error;
          onRetry(`${messageOf(error)}; trying again in ${waitMs / 1000} s`);
          await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
        }
      }
    },
  };
}

function streamOf(pieces: AsyncGenerator<Uint8Array, void, undefined>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const next = await pieces.next();
      if (next.done === true) controller.close();
      else controller.enqueue(new Uint8Array(next.value));
    },
    async cancel() {
      await pieces.return();
    },
  });
}

class RefusedError extends ApiError {
  /** As the daemon says; undefined when it does not. */
  readonly retryAfterS: number | undefined;

  constructor(detail: string, { status, headers }: Response) {
    super(detail, status);
    const after = headers.get("retry-after");
    this.retryAfterS = after !== null && /^\d+$/.test(after) ? Number(after) : undefined;
  }
}

/** @returns undefined when another try is of no use */
function waitBefore(tries: number, error: unknown): number | undefined {
  const ownMs = RETRY_MS[tries];
  if (ownMs === undefined || !(error instanceof ApiError)) return undefined;
  if (error.status !== undefined && !PASSING.includes(error.status)) return undefined;
  const askedS = error instanceof RefusedError ? error.retryAfterS : undefined;
  if (askedS === undefined) return ownMs;
  return askedS > LONGEST_RETRY_AFTER_S ? undefined : Math.max(ownMs, askedS * 1000);
}

async function detailOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    const { detail } = JSON.parse(text) as { readonly detail?: unknown };
    if (detail !== undefined) return typeof detail === "string" ? detail : JSON.stringify(detail);
  } catch {
    // Not from the daemon, so that its words are of no use.
  }
  return `The answer is ${response.status} ${response.statusText}`.trimEnd();
}
