import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { tempDir } from "./temp_dir.ts";

/** A machine with a systemd of its own: a container over a copy-on-write view of this machine's files. */
export interface BootedSystemd extends AsyncDisposable {
  /** Runs a command as root in the machine. @returns status and all that it printed */
  run(...command: readonly string[]): { readonly status: number | null; readonly output: string };
  /** The same, but throws unless it succeeds. @returns what it printed, trimmed */
  ok(...command: readonly string[]): string;
  /** Writes a file of the machine; directories above it are made. @param path absolute */
  write(path: string, content: string | Uint8Array, mode?: number): void;
  /** Runs a command of this machine in the network of the other one, which may lack it. Throws unless it succeeds. */
  fromHere(...command: readonly string[]): string;
}

/** How long it may take to come up on a machine that is busy otherwise. */
const PATIENCE_MS = 120_000;

/** How long the program may take to clean up after its machine. */
const LAST_WORDS_MS = 5_000;

/**
 * @param binds files of this machine that are shown read-only in the other one: path here, path there
 * @param base root of the file system that the machine starts with; it is not changed
 */
export async function bootSystemd(
  binds: readonly (readonly [string, string])[] = [],
  base = "/",
): Promise<BootedSystemd> {
  const dir = tempDir();
  const memory = join(dir.path, "memory");
  const root = join(dir.path, "root");
  const undo: (() => void)[] = [() => dir[Symbol.dispose]()];
  const must = (command: string, ...args: readonly string[]): void => {
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  };
  let machine: ChildProcess | undefined;
  const close = async (): Promise<void> => {
    if (machine?.pid !== undefined && machine.exitCode === null && machine.signalCode === null) {
      const ended = new Promise((done) => machine?.once("exit", done));
      const leader = leaderOf(machine.pid);
      // The machine outlives the program that started it; with its first process all others end.
      if (leader !== undefined) process.kill(leader, "SIGKILL");
      const stop = setTimeout(() => machine?.kill("SIGKILL"), LAST_WORDS_MS);
      await ended;
      clearTimeout(stop);
    }
    for (const step of undo.splice(0).toReversed()) step();
  };
  try {
    mkdirSync(memory);
    mkdirSync(root);
    must("mount", "-t", "tmpfs", "bartender-test", memory);
    undo.push(() => must("umount", "--lazy", memory));
    const [upper, work] = [join(memory, "upper"), join(memory, "work")];
    mkdirSync(upper);
    mkdirSync(work);
    must("mount", "-t", "overlay", "overlay", "-o", `lowerdir=${base},upperdir=${upper},workdir=${work}`, root);
    undo.push(() => must("umount", "--lazy", root));
    const write = (path: string, content: string | Uint8Array, mode = 0o644): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content, { mode });
    };
    write("/etc/machine-id", "");
    const args = [
      ...["--quiet", "--directory", root, "--boot", "--register=no", "--keep-unit", "--private-network"],
      ...["--console=pipe", ...binds.map(([here, there]) => `--bind-ro=${here}:${there}`)],
      // What else is installed on this machine is not started.
      "systemd.unit=basic.target",
    ];
    machine = spawn("systemd-nspawn", args, { stdio: ["ignore", "pipe", "pipe"] });
    const said: string[] = [];
    machine.once("error", (fault) => said.push(fault.message));
    machine.stdout?.on("data", (chunk) => said.push(String(chunk)));
    machine.stderr?.on("data", (chunk) => said.push(String(chunk)));
    const outer = machine.pid ?? 0;
    const enter = (namespaces: readonly string[], command: readonly string[]) => {
      const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
      const args = ["-t", String(leaderOf(outer)), ...namespaces, "--", ...command];
      const { status, stdout, stderr } = spawnSync("nsenter", args, { encoding: "utf8", env, cwd: "/" });
      return { status, output: `${stdout}${stderr}` };
    };
    const succeeds = (command: readonly string[], { status, output }: ReturnType<typeof enter>): string => {
      if (status !== 0) throw new Error(`${command.join(" ")} ended with status ${status}:\n${output}`);
      return output.trim();
    };
    const run: BootedSystemd["run"] = (...command) => enter(["-m", "-u", "-i", "-n", "-p", "-C"], command);
    for (const deadline = Date.now() + PATIENCE_MS; ; await Bun.sleep(50)) {
      if (machine.pid === undefined || machine.exitCode !== null || Date.now() > deadline)
        throw new Error(`No systemd came up:\n${said.join("")}`);
      if (leaderOf(outer) === undefined) continue;
      if (/^(running|degraded)/.test(run("systemctl", "is-system-running").output)) break;
    }
    return {
      run,
      ok: (...command) => succeeds(command, run(...command)),
      fromHere: (...command) => succeeds(command, enter(["-n"], command)),
      // What is written below the overlay once it is mounted elsewhere would not be seen reliably.
      write: (path, content, mode) => write(path, content, mode),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The first process of the machine, as it is known here. */
function leaderOf(nspawn: number): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, "utf8").split(" ");
    return first === undefined || first === "" ? undefined : Number(first);
  } catch {
    return undefined;
  }
}
