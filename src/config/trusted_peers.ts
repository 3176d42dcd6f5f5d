import { BlockList, isIP } from "node:net";

/** Says whether `X-Forwarded-…` headers from a peer are believed. `undefined` is a peer without an address. */
export type TrustedPeers = (address: string | undefined) => boolean;

export type TrustedPeersReading =
  | { readonly isValid: true; readonly trusts: TrustedPeers }
  | { readonly isValid: false; readonly reason: string };

/**
 * Reads a list of IP addresses and networks (`10.0.0.0/8`), separated by commas, or `*` for everybody; the empty
 * text trusts nobody. IPv4 peers are recognised in their IPv6 form too.
 */
export function parseTrustedPeers(text: string): TrustedPeersReading {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.includes("*")) {
    return { isValid: true, trusts: () => true };
  }
  const list = new BlockList();
  for (const part of parts.filter((candidate) => candidate !== "")) {
    const [address = "", length] = part.split("/", 2);
    const version = isIP(address);
    const family = version === 4 ? "ipv4" : "ipv6";
    const bits = version === 4 ? 32 : 128;
    const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
    if (version === 0 || !isLength || part.split("/").length > 2) {
      return { isValid: false, reason: `expected IP addresses, networks or *, got ${JSON.stringify(part)}` };
    }
    if (length === undefined) {
      list.addAddress(address, family);
    } else {
      list.addSubnet(address, Number(length), family);
    }
  }
  return { isValid: true, trusts: (address) => address !== undefined && isListed(list, address) };
}

function isListed(list: BlockList, address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  const version = isIP(plain);
  return version !== 0 && list.check(plain, version === 4 ? "ipv4" : "ipv6");
}
