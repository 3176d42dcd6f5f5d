import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Transfer {
  /** Until the first byte of the body, or of the output. */
  readonly firstByteMs: number;
  readonly seconds: number;
  readonly bytes: number;
}

/** Downloads with curl, so that the client takes no time from this process. @throws unless the status is `expected` */
export async function download(url: string, token: string, expected = 200): Promise<Transfer> {
  const format = "%{http_code} %{time_starttransfer} %{time_total} %{size_download}";
  const child = spawn("curl", ["-s", "-o", "/dev/null", "-w", format, "-H", `Authorization: Bearer ${token}`, url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [status] = await once(child, "close");
  const [code, first, total, bytes] = output.split(" ").map(Number);
  if (status !== 0 || code !== expected) throw new Error(`${url}: curl ended with ${status}, HTTP status ${code}`);
  return { firstByteMs: (first ?? 0) * 1000, seconds: total ?? 0, bytes: bytes ?? 0 };
}

/** Runs a program that writes to its standard output. */
export async function produce(program: string, args: readonly string[], cwd: string): Promise<Transfer> {
  const startMs = performance.now();
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  let [bytes, firstByteMs] = [0, 0];
  child.stdout.on("data", (chunk: Buffer) => {
    if (bytes === 0) firstByteMs = performance.now() - startMs;
    bytes += chunk.length;
  });
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return { firstByteMs, seconds: (performance.now() - startMs) / 1000, bytes };
}
