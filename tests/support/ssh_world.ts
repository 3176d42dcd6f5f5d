import { homedir } from "node:os";
import { systemClock } from "../../adapters/clock/system_clock.ts";
import { DEFAULT_LINK_TIMES } from "../../adapters/ssh/connect.ts";
import { SshConnection, type SshSurroundings } from "../../adapters/ssh/ssh_connection.ts";
import { sshHost } from "../../adapters/ssh/ssh_host.ts";
import type { SshConfig } from "../../src/config/config.ts";
import { type RecordingLogger, recordingLogger } from "./recording_logger.ts";

/** For tests in which no host falls silent: a machine with much to do may say nothing for a while. */
export const PATIENT: Pick<SshSurroundings, "times"> = { times: DEFAULT_LINK_TIMES };

/** What a connection needs, impatient enough for tests. */
export function sshSurroundings(changes: Partial<SshSurroundings> = {}): SshSurroundings & { logger: RecordingLogger } {
  const logger = recordingLogger();
  return {
    sources: { homeDirectory: homedir(), agentSocket: undefined },
    serviceUser: () => "nobody",
    clock: systemClock(),
    random: () => 0.5,
    times: { connectTimeoutMs: 5_000, keepAliveMs: 200, keepAliveCount: 3 },
    backoff: { initialMs: 50, factor: 2, maxMs: 400, jitter: 0 },
    ...changes,
    logger,
  };
}

/** A connection that is closed with the test. */
export function sshConnection(
  config: SshConfig,
  changes: Partial<SshSurroundings> = {},
): { readonly connection: SshConnection; readonly logger: RecordingLogger } & Disposable {
  const surroundings = sshSurroundings(changes);
  const connection = new SshConnection(sshHost(config, surroundings.serviceUser), surroundings);
  return { connection, logger: surroundings.logger, [Symbol.dispose]: () => connection.close() };
}
