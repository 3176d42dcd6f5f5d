import { spawnSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "./temp_dir.ts";

/** A file system of its own that is really full when it is full. */
export interface SmallDisk extends Disposable {
  /** Where it is mounted; absolute. */
  readonly path: string;
  freeBytes(): number;
  /** Takes all but `leaveBytes` of what is free. */
  fill(leaveBytes: number): void;
  /** Gives back what {@link SmallDisk.fill} took. */
  release(): void;
}

/**
 * Mounts a `tmpfs(5)` into which everybody may write, which takes an administrator. What uses it has to be stopped before
 * it is disposed.
 *
 * @param directory that is there already; default: one of its own
 */
export function smallDisk(sizeBytes: number, directory?: string): SmallDisk {
  const dir = directory === undefined ? tempDir() : { path: directory, [Symbol.dispose]: () => undefined };
  const { path } = dir;
  const failure = mount(sizeBytes, path);
  if (failure !== undefined) {
    dir[Symbol.dispose]();
    throw new Error(failure);
  }
  const filler = join(path, "filler");
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  };
  return {
    path,
    freeBytes,
    fill(leaveBytes) {
      rmSync(filler, { force: true });
      writeFileSync(filler, Buffer.alloc(Math.max(0, freeBytes() - leaveBytes)));
    },
    release: () => rmSync(filler, { force: true }),
    [Symbol.dispose]() {
      const { status, stderr } = spawnSync("umount", [path], { encoding: "utf8" });
      if (status !== 0) throw new Error(`${path} could not be unmounted: ${stderr}`);
      dir[Symbol.dispose]();
    },
  };
}

/** Why there can be no {@link smallDisk} here; undefined when there can. */
export function noSmallDiskBecause(): string | undefined {
  using dir = tempDir();
  const failure = mount(65_536, dir.path);
  if (failure === undefined) spawnSync("umount", [dir.path]);
  return failure;
}

function mount(sizeBytes: number, path: string): string | undefined {
  const options = ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", path];
  const { status, stderr, error } = spawnSync("mount", options, { encoding: "utf8" });
  return status === 0 ? undefined : `tmpfs cannot be mounted: ${error?.message ?? stderr.trim()}`;
}
