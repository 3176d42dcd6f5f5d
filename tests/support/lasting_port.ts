import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below those that the system gives to outgoing connections. */
const FIRST = 12_000;
const LAST = 32_000;

const given = new Set<number>();

/**
 * A port for a server that is stopped and started again, and is not listening yet for some seconds: no outgoing
 * connection of any program gets it meanwhile, as could happen with one that the system has chosen.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "0.0.0.0", () => probe.close(() => resolve(true)));
  });
}
