import { execFileSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";

/** A network of its own, with one link to this machine's. Needs root. */
export interface NetworkNamespace extends Disposable {
  /** Begins a command line that runs inside. */
  readonly prefix: readonly string[];
  /** This machine as seen from inside. */
  readonly hostAddress: string;
  /** Packets get lost without a word, in both directions, or go through again. */
  cut(): void;
  mend(): void;
}

export function networkNamespace(): NetworkNamespace {
  const id = randomBytes(3).toString("hex");
  const [name, outside, inside] = [`bt${id}`, `bto${id}`, `bti${id}`];
  const { hostAddress, ownAddress } = freeNetwork();
  const ip = (...words: readonly string[]): void => {
    execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });
  };
  ip("netns", "add", name);
  ip("link", "add", outside, "type", "veth", "peer", "name", inside);
  ip("link", "set", inside, "netns", name);
  ip("addr", "add", `${hostAddress}/30`, "dev", outside);
  ip("link", "set", outside, "up");
  ip("-n", name, "addr", "add", `${ownAddress}/30`, "dev", inside);
  ip("-n", name, "link", "set", inside, "up");
  ip("-n", name, "link", "set", "lo", "up");
  return {
    prefix: ["ip", "netns", "exec", name],
    hostAddress,
    cut: () => ip("link", "set", outside, "down"),
    mend: () => ip("link", "set", outside, "up"),
    [Symbol.dispose]() {
      ip("netns", "del", name);
      // Its other end goes with the namespace, and it with that, unless something inside lives on.
      try {
        ip("link", "del", outside);
      } catch {
        // Gone.
      }
    },
  };
}

/** The two addresses of a network of four that nobody on this machine has. */
function freeNetwork(): { readonly hostAddress: string; readonly ownAddress: string } {
  const taken = execFileSync("ip", ["-o", "-4", "addr"], { encoding: "utf8" });
  for (;;) {
    const first = `10.211.${randomInt(256)}.`;
    const last = 4 * randomInt(64);
    const hostAddress = `${first}${last + 1}`;
    if (!taken.includes(` ${hostAddress}/`)) return { hostAddress, ownAddress: `${first}${last + 2}` };
  }
}

/** True where namespaces can be made. */
export function mayMakeNetworks(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    networkNamespace()[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}
