import type { JumpConfig, SshConfig } from "./config.ts";

/** `user@host:port`; user and port may be left out, an IPv6 address with a port stands in brackets. */
const JUMP = /^(?:([^\s@:]+)@)?(?:\[([0-9A-Fa-f:.%]+)\]|([^\s@:,[\]]+))(?::(\d{1,5}))?$/;

/** Reads the setting `proxy_jump`. @returns undefined when it is none */
export function parseJump(text: string): JumpConfig | undefined {
  const [isJump, username, address, name, digits] = JUMP.exec(text) ?? [];
  const hostname = address ?? name;
  const port = digits === undefined ? undefined : Number(digits);
  if (isJump === undefined || hostname === undefined) return undefined;
  return port !== undefined && (port < 1 || port > 65_535) ? undefined : { username, hostname, port };
}

/** The setting that says that there is no host in between. */
export const NO_JUMP = "none";

/** The host in between is trusted with keys and the agent, but never shown the password of the host behind it. */
export function jumpConfig(behind: SshConfig, jump: JumpConfig): SshConfig {
  const { client: _, ...config } = behind;
  return { ...config, ...jump, password: undefined, proxyJump: undefined };
}
