import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";

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
  const third = (randomBytes(1)[0] ?? 0) % 200;
  const [hostAddress, ownAddress] = [`10.211.${third}.1`, `10.211.${third}.2`];
  const ip = (...words: readonly string[]): void => {
    execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });
  };
  ip("netns", "add", name);
  ip("link", "add", outside, "type", "veth", "peer", "name", inside);
  ip("link", "set", inside, "netns", name);
  ip("addr", "add", `${hostAddress}/24`, "dev", outside);
  ip("link", "set", outside, "up");
  ip("-n", name, "addr", "add", `${ownAddress}/24`, "dev", inside);
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
