import { connect } from "node:net";

export interface ProbeResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Asks for `path` over one connection again and again while `work` runs, with a pause of 5 ms in between. */
export async function probeHealth<T>(
  port: number,
  work: () => Promise<T>,
  path = "/api/health",
): Promise<readonly [T, ProbeResult]> {
  const delays: number[] = [];
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  let isDone = false;
  const probing = new Promise<void>((resolve, reject) => {
    let sentMs = 0;
    const send = (): void => {
      sentMs = performance.now();
      socket.write(request);
    };
    socket.on("connect", send);
    socket.on("error", reject);
    socket.on("data", () => {
      delays.push(performance.now() - sentMs);
      if (!isDone) {
        setTimeout(send, 5);
        return;
      }
      socket.destroy();
      resolve();
    });
  });
  const result = await work();
  isDone = true;
  await probing;
  delays.sort((a, b) => a - b);
  const at = (part: number): number => delays[Math.min(delays.length - 1, Math.floor(delays.length * part))] ?? 0;
  return [result, { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }];
}
