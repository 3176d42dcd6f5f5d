import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Sends a file as the part `upload` of a form with curl, so that the client takes no time from this process.
 *
 * @returns seconds until the answer was there
 * @throws unless the status is `expected`
 */
export async function upload(url: string, file: string, token: string, expected = 303): Promise<number> {
  const args = ["-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "-X", "PUT"];
  const header = `Authorization: Bearer ${token}`;
  // Waiting for "100 Continue" would be measured too.
  const child = spawn(
    "curl",
    [...args, "-H", header, "-H", "Expect:", "-F", `upload=@${file};type=application/zip`, url],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [status] = await once(child, "close");
  const [code, seconds] = output.split(" ").map(Number);
  if (status !== 0 || code !== expected) throw new Error(`${url}: curl ended with ${status}, HTTP status ${code}`);
  return seconds ?? 0;
}
