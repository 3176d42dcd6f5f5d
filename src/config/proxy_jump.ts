import type { JumpConfig } from "./config.ts";

/** `user@host:port`; user and port may be left out, an IPv6 address with a port stands in brackets. */
const JUMP = /^(?:([^\s@:]+)@)?(?:\[([0-9A-Fa-f:.%]+)\]|([^\s@:,[\]]+))(?::(\d{1,5}))?$/;

/** Reads the setting `proxy_jump`. @returns undefined when it is none */
export function parseJump(text: string): JumpConfig | undefined {
  const [isJump, username, address, name, port = "22"] = JUMP.exec(text) ?? [];
  const hostname = address ?? name;
  if (isJump === undefined || hostname === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { username, hostname, port: Number(port) };
}
