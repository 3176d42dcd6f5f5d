import { spawnSync } from "node:child_process";

/**
 * Command line that runs a program on "another machine": one that has nothing at `path`, where the others have a
 * directory. It takes an administrator, for a mount namespace of its own that ends with the program.
 */
export function withoutDirectory(path: string): readonly string[] {
  // The program takes the place of the shell, so that signals reach it.
  return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', path];
}

/** False where the rights for {@link withoutDirectory} are missing. */
export function mayHideDirectories(): boolean {
  return spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" }).status === 0;
}
