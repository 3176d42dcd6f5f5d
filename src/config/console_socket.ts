import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "./environment.ts";

/** What the kernel takes for the path of a socket, in bytes (`unix(7)`). */
const MAX_PATH_BYTES = 107;

/** Made by the service manager for the account of the daemon. */
const RUNTIME_DIR = "/run/bartender";
const SOCKET_NAME = "console.sock";

/** Where the console's socket is; when that cannot be, why. */
export type ConsoleSocket =
  | { readonly isValid: true; readonly path: string }
  | { readonly isValid: false; readonly reason: string };

type Settings = Pick<Environment, "consoleSocket" | "database">;

/**
 * The path of the socket that a daemon makes: as the environment says, else `/run/bartender/console.sock` where that
 * directory may be written, else beside the SQLite database with its name and `-console.sock`, else, as a PostgreSQL
 * database is nowhere on this machine, `bartender-console.sock` in the working directory.
 */
export function daemonSocket(settings: Settings, workingDirectory: string, runtimeDir = RUNTIME_DIR): ConsoleSocket {
  return checked(settings.consoleSocket ?? defaultPath(settings, workingDirectory, runtimeDir, isWritable(runtimeDir)));
}

/** The same for a client, who need not be allowed to make sockets in `/run/bartender`. */
export function clientSocket(settings: Settings, workingDirectory: string, runtimeDir = RUNTIME_DIR): ConsoleSocket {
  const isThere = existsSync(join(runtimeDir, SOCKET_NAME));
  return checked(settings.consoleSocket ?? defaultPath(settings, workingDirectory, runtimeDir, isThere));
}

function defaultPath(
  { database }: Settings,
  workingDirectory: string,
  runtimeDir: string,
  isInRuntimeDir: boolean,
): string {
  if (isInRuntimeDir) return join(runtimeDir, SOCKET_NAME);
  return database.kind === "sqlite" && database.path !== ":memory:"
    ? `${database.path}-console.sock`
    : join(workingDirectory, "bartender-console.sock");
}

function checked(path: string): ConsoleSocket {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH_BYTES) return { isValid: true, path };
  const expected = `expected a path of at most ${MAX_PATH_BYTES} bytes, which is all that a Unix socket can have`;
  return { isValid: false, reason: `BARTENDER_CONSOLE_SOCKET: ${expected}, got ${bytes}: ${JSON.stringify(path)}` };
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
