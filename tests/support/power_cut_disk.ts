import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "./temp_dir.ts";

/** A file system of its own, of which can be seen what a power cut would leave. */
export interface PowerCutDisk extends Disposable {
  /** Where it is mounted; absolute. */
  readonly path: string;
  /**
   * What the disk has by now, without what the kernel still keeps in memory; as it would be found after a power cut.
   *
   * @param look gets the place where that is mounted meanwhile
   */
  afterPowerCut<T>(look: (path: string) => T): T;
  /**
   * Lets all that writes wait until {@link FrozenDisk.thaw}, as for a disk that does not answer. Ends with the calling
   * process, too: whatever waits cannot even be killed.
   */
  freeze(): Promise<FrozenDisk>;
}

/** A disk that is frozen until it is disposed. */
export interface FrozenDisk extends AsyncDisposable {
  /** Idempotent. */
  thaw(): Promise<void>;
}

const SIZE = "64M";

/** Mounts `ext4` on a file, which takes an administrator. What uses it has to be stopped before it is disposed. */
export function powerCutDisk(): PowerCutDisk {
  const dir = tempDir();
  const [image, path] = [join(dir.path, "image"), join(dir.path, "mounted")];
  const [copy, copyPath] = [join(dir.path, "copy"), join(dir.path, "after")];
  for (const at of [path, copyPath]) mkdirSync(at);
  try {
    run("truncate", "-s", SIZE, image);
    run("mkfs.ext4", "-q", image);
    run("mount", "-o", "loop", image, path);
  } catch (error) {
    dir[Symbol.dispose]();
    throw error;
  }
  return {
    path,
    afterPowerCut(look) {
      // What was flushed went through the loop device into the file; nothing else did.
      run("cp", image, copy);
      run("mount", "-o", "loop", copy, copyPath);
      try {
        return look(copyPath);
      } finally {
        run("umount", copyPath);
      }
    },
    freeze: () => freeze(path),
    [Symbol.dispose]() {
      run("umount", path);
      dir[Symbol.dispose]();
    },
  };
}

/** Why there can be no {@link powerCutDisk} here; undefined when there can. */
export function noPowerCutDiskBecause(): string | undefined {
  try {
    powerCutDisk()[Symbol.dispose]();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function freeze(path: string): Promise<FrozenDisk> {
  const script = 'fsfreeze --freeze "$0" && echo frozen && { read -r _; fsfreeze --unfreeze "$0"; }';
  const child = spawn("/bin/sh", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const [said] = await Promise.race([once(child.stdout, "data"), ended]);
  if (String(said) !== "frozen\n") throw new Error(`${path} cannot be frozen`);
  const thaw = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  return { thaw, [Symbol.asyncDispose]: thaw };
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}
