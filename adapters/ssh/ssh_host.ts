import type { SshConfig } from "../../src/config/config.ts";

export const DEFAULT_PORT = 22;

/** Where to log in, with nothing left open: hosts that are equal share a connection. */
export interface SshHost extends SshConfig {
  readonly port: number;
  readonly username: string;
  readonly proxyJump: SshHost | undefined;
}

/** @param serviceUser login of the service's user, asked for only where it is needed */
export function sshHost(config: SshConfig, serviceUser: () => string): SshHost {
  const { proxyJump: jump, port = DEFAULT_PORT, username = serviceUser() } = config;
  const isDirect = jump === undefined || jump === "none";
  return {
    ...config,
    port,
    username,
    proxyJump: isDirect ? undefined : sshHost({ ...jump, username: jump.username ?? username }, serviceUser),
  };
}
