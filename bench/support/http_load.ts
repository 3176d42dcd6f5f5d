import { connect, type Socket } from "node:net";

export interface LoadOptions {
  readonly port: number;
  /** Connections that each carry one request at a time. */
  readonly connections: number;
  /** How many requests in total. */
  readonly requests: number;
  /** Bytes of the n-th request, complete with headers. */
  readonly request: (n: number) => Uint8Array;
  /** Status line that counts as success, e.g. `200`. */
  readonly expected: number;
  /** Told about the head of each answer. */
  readonly onAnswer?: (head: string) => void;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Sends prepared requests over keep-alive connections and reads the answers, with as little work of its own as
 * possible, so that the server is what is measured. Understands answers with `Content-Length` only.
 */
export async function httpLoad(options: LoadOptions): Promise<LoadResult> {
  const latencies: number[] = [];
  let next = 0;
  const startMs = performance.now();
  await Promise.all(Array.from({ length: options.connections }, () => runConnection()));
  const seconds = (performance.now() - startMs) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (part: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  return { perSecond: options.requests / seconds, seconds, p50Ms: at(0.5), p99Ms: at(0.99) };

  function runConnection(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket: Socket = connect(options.port, "127.0.0.1");
      let received: Buffer = Buffer.alloc(0);
      let sentMs = 0;
      const send = (): void => {
        if (next >= options.requests) {
          socket.end();
          resolve();
          return;
        }
        sentMs = performance.now();
        socket.write(options.request(next++));
      };
      socket.setNoDelay(true);
      socket.on("connect", send);
      socket.on("error", reject);
      socket.on("data", (chunk: Buffer) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const headEnd = received.indexOf("\r\n\r\n");
        if (headEnd === -1) return;
        const head = received.toString("latin1", 0, headEnd);
        const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        if (received.length < headEnd + 4 + length) return;
        received = received.subarray(headEnd + 4 + length);
        if (!head.startsWith(`HTTP/1.1 ${options.expected}`)) {
          reject(new Error(`Unexpected answer:\n${head}`));
          socket.destroy();
          return;
        }
        latencies.push(performance.now() - sentMs);
        options.onAnswer?.(head);
        send();
      });
    });
  }
}

/** The bytes of a request with the given head lines and body. */
export function requestBytes(line: string, headers: Readonly<Record<string, string>>, body?: Uint8Array): Uint8Array {
  const lines = [line, "Host: localhost", ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  if (body !== undefined) lines.push(`Content-Length: ${body.length}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  return body === undefined ? head : Buffer.concat([head, body]);
}

/** A submission of `archive`, as a browser would send it. */
export function submissionBytes(application: string, token: string, archive: Uint8Array): Uint8Array {
  const boundary = "----bartenderbench";
  const body = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="upload"; filename="input.zip"\r\nContent-Type: application/zip\r\n\r\n`,
    ),
    archive,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return requestBytes(
    `PUT /api/application/${application} HTTP/1.1`,
    { Authorization: `Bearer ${token}`, "Content-Type": `multipart/form-data; boundary=${boundary}` },
    body,
  );
}
