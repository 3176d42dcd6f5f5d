import { availableParallelism, loadavg } from "node:os";
import process from "node:process";
import type { Process } from "../actors/admin_status.ts";
import packageJson from "../package.json" with { type: "json" };
import type { DaemonInput } from "./cli/serve.ts";
import { daemonSocket } from "./config/console_socket.ts";
import { describeDatabase } from "./config/database_url.ts";
import { type ConsoleDeps, createConsoleApp } from "./console/app.ts";
import { freeSocket } from "./runtime/free_socket.ts";
import { runtimeName } from "./runtime/self_command.ts";
import { type SocketServer, serveSocket } from "./runtime/serve.ts";

/**
 * Opens the console's socket. Where nobody asked for it and its path would be too long, the daemon works without.
 *
 * @throws when the path cannot be used; the message names it
 */
export async function openConsole(
  { environment, workingDirectory, logger }: Pick<DaemonInput, "environment" | "workingDirectory" | "logger">,
  deps: ConsoleDeps,
): Promise<SocketServer | undefined> {
  const socket = daemonSocket(environment, workingDirectory);
  if (!socket.isValid) {
    if (environment.consoleSocket !== undefined) throw new Error(socket.reason);
    logger.warn("There is no console, as its socket cannot be made", { reason: socket.reason });
    return undefined;
  }
  await freeSocket(socket.path);
  const app = createConsoleApp(deps);
  const server = await serveSocket(socket.path, (request, uid) => app.fetch(request, uid === undefined ? {} : { uid }));
  logger.info("The console listens", { socket: socket.path });
  return server;
}

/** What the console tells about this process. */
export function ownProcess({ environment, clock }: Pick<DaemonInput, "environment" | "clock">): Process {
  return {
    version: packageJson.version,
    runtime: runtimeName(),
    pid: process.pid,
    startedOnMs: clock.nowMs(),
    database: describeDatabase(environment.database),
    measure: () => ({
      load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
      cpus: availableParallelism(),
      memoryBytes: process.memoryUsage.rss(),
    }),
  };
}
