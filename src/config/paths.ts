import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/**
 * Makes a path of the configuration absolute: `~` and `~/x` are in the home directory, others relative to
 * `workingDirectory`.
 */
export function absolutePath(path: string, workingDirectory: string): string {
  if (path === "~" || path.startsWith("~/")) {
    return join(homedir(), path.slice(1));
  }
  return isAbsolute(path) ? resolve(path) : resolve(workingDirectory, path);
}

/** How paths to credentials begin. */
export const CREDENTIALS = "$CREDENTIALS_DIRECTORY/";

/**
 * The same path with the directory in it where the service manager puts what `LoadCredential=` names (systemd.exec(5)).
 *
 * @param directory undefined where there is none; then the path stays as it is
 */
export function credentialPath(path: string, directory: string | undefined): string {
  return path.startsWith(CREDENTIALS) && directory !== undefined
    ? join(directory, path.slice(CREDENTIALS.length))
    : path;
}
