import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { startProcessGuard } from "./process_guard.ts";
import { tempDir } from "./temp_dir.ts";

const GUARD = join(import.meta.dir, "process_guard.ts");

/** Processes of a server: one that has children of its own, and one in a session of its own. */
function startServer(directory: string): readonly number[] {
  const env = { PATH: process.env.PATH, SERVER_ROOT: join(directory, "etc") };
  const parent = spawn("sh", ["-c", "sleep 1000 & wait"], { env, stdio: "ignore" });
  const detached = spawn("sleep", ["1000"], { env, stdio: "ignore", detached: true });
  return [parent.pid ?? 0, detached.pid ?? 0];
}

test("a guard that is closed ends all processes of its directory, and removes it", async () => {
  using dir = tempDir();
  const directory = join(dir.path, "server");
  mkdirSync(directory);
  const guard = startProcessGuard(directory);
  const pids = startServer(directory);
  const bystander = spawn("sleep", ["1000"], { env: { PATH: process.env.PATH }, stdio: "ignore" });
  await guard.close();
  expect(existsSync(directory)).toBe(false);
  await eventually("the end of the server", () => !pids.some(isAlive));
  expect(isAlive(bystander.pid ?? 0)).toBe(true);
  bystander.kill("SIGKILL");
});

test("nothing of a server survives the process that started it, even when that is killed", async () => {
  using dir = tempDir();
  const directory = join(dir.path, "server");
  mkdirSync(directory);
  const program = join(dir.path, "tests.ts");
  writeFileSync(
    program,
    `import { spawn } from "node:child_process";
     import { startProcessGuard } from ${JSON.stringify(GUARD)};
     startProcessGuard(${JSON.stringify(directory)});
     const server = spawn("sleep", ["1000"], { env: { ...process.env, ROOT: ${JSON.stringify(directory)} } });
     console.log(server.pid);
     setInterval(() => {}, 1000);`,
  );
  const runner = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = await new Promise<number>((resolve) => runner.stdout.once("data", (text) => resolve(Number(text))));
  expect(isAlive(pid)).toBe(true);
  runner.kill("SIGKILL");
  await eventually("the end of the server", () => !isAlive(pid));
  await eventually("its directory to go", () => !existsSync(directory));
});

test("nothing that has a directory of a run survives it, and nothing else is touched", async () => {
  using dir = tempDir();
  // As if it were the beginning of the paths of another run.
  const prefix = join(dir.path, "run-");
  const own = `${prefix}1`;
  mkdirSync(own);
  const program = join(dir.path, "tests.ts");
  writeFileSync(
    program,
    `import { spawn } from "node:child_process";
     import { startRunGuard } from ${JSON.stringify(GUARD)};
     startRunGuard(${JSON.stringify(prefix)});
     const own = ${JSON.stringify(own)};
     const begin = (args, options) => spawn(args[0], args.slice(1), { stdio: "ignore", detached: true, ...options }).pid;
     console.log(JSON.stringify([
       begin(["sleep", "1000"], { env: { ROOT: own } }),
       begin(["sleep", "1000"], { env: {}, cwd: own }),
       begin(["sh", "-c", "sleep 1000; exit", own], { env: {} }),
       begin(["sleep", "1000"], { env: {} }),
     ]));
     setInterval(() => {}, 1000);`,
  );
  const runner = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "ignore"] });
  const line = await new Promise<string>((resolve) => runner.stdout.once("data", (text) => resolve(String(text))));
  const [bystander = 0, ...pids] = (JSON.parse(line) as number[]).toReversed();
  expect([bystander, ...pids].filter(isAlive)).toHaveLength(4);
  runner.kill("SIGKILL");
  await eventually("their end", () => !pids.some(isAlive));
  expect(isAlive(bystander)).toBe(true);
  process.kill(bystander, "SIGKILL");
  expect(existsSync(own)).toBe(true);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
