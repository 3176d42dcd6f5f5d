/**
 * Processor time of a daemon and of a performer that are stopped as soon as they are ready, and their memory at that moment.
 * Every one is started once a round for each clone of the project, in turn, so that clones can be compared beside other work.
 *
 *     bun bench/start.ts [rounds] [clone]...    default: 20, this clone
 */
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startRedis } from "../tests/support/redis_server.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
import { ratio, report } from "./support/report.ts";
import { residentMb } from "./support/resident_memory.ts";

const rounds = Number(process.argv[2] ?? 20);
const given = process.argv.slice(3);
const clones = (given.length > 0 ? given : [join(import.meta.dir, "..")]).map((clone) => resolve(clone));

await using redis = await startRedis();
using dir = tempDir();
const directory = dir.path;
mkdirSync(join(directory, "jobs"));
const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
writeFileSync(join(directory, "public_key.pem"), publicKey.export({ type: "spki", format: "pem" }));
const config = (scheduler: string) => `job_root_dir: jobs
applications: {noop: {command_template: "true"}}
destinations: {here: {scheduler: ${scheduler}, filesystem: {type: local}}}
`;
writeFileSync(join(directory, "memory.yaml"), config("{type: memory, slots: 1}"));
writeFileSync(join(directory, "redis.yaml"), config(`{type: arq, redis_dsn: "${redis.dsn}"}`));

const COMMANDS = [
  ["daemon with `memory`, local files and SQLite", ["serve", "--config", "memory.yaml"], "listens on"],
  ["performer with Redis and local files", ["perform", "--config", "redis.yaml"], "Worker running"],
] as const;

const PROGRAMS: readonly (readonly [string, (clone: string) => Promise<readonly string[]>])[] = [
  ["executable", async (clone) => [executable(clone)]],
  ["bundle of tests", async (clone) => runByBun(await bundle(clone))],
  ["sources", async (clone) => runByBun(join(clone, "src/main.ts"))],
];

const runByBun = (main: string): readonly string[] => [process.execPath, "--no-env-file", main];

function executable(clone: string): string {
  const env = { ...process.env, DPKG_DEB_COMPRESSOR_LEVEL: "1" };
  const out = join(directory, `dist${clones.indexOf(clone)}`);
  const { status, stdout, stderr } = spawnSync(join(clone, "packaging/build"), [out], { encoding: "utf8", env });
  if (status !== 0) throw new Error(stderr);
  return stdout.split("\n")[0] ?? "";
}

async function bundle(clone: string): Promise<string> {
  const { builtProgram } = await import(join(clone, "tests/support/built_program.ts"));
  return builtProgram(join(clone, "src/main.ts"));
}

/** @returns processor time in ms, memory in MB */
async function start(program: readonly string[], args: readonly string[], ready: string) {
  const child = Bun.spawn([...program, ...args], {
    ...{ cwd: directory, stdout: "pipe", stderr: "pipe" },
    env: { PATH: process.env.PATH, HOME: directory, BARTENDER_PORT: "0", BARTENDER_LOG_LEVEL: "warning" },
  });
  await Promise.any([child.stdout, child.stderr].map((stream) => until(stream, ready)));
  const { now: memoryMb } = residentMb(child.pid);
  child.kill("SIGTERM");
  if ((await child.exited) !== 0) throw new Error(`${program.join(" ")} ended with status ${child.exitCode}`);
  return { cpuMs: Number(child.resourceUsage()?.cpuTime.total) / 1000, memoryMb };
}

async function until(stream: ReadableStream<Uint8Array>, ready: string): Promise<void> {
  let text = "";
  for await (const part of stream) {
    text += new TextDecoder().decode(part);
    if (text.includes(ready)) return;
  }
  throw new Error(`Ended without "${ready}": ${text}`);
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

for (const [name, make] of PROGRAMS) {
  const programs = await Promise.all(clones.map(make));
  for (const [what, args, ready] of COMMANDS) {
    const measured = programs.map((): { readonly cpuMs: number; readonly memoryMb: number }[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, program] of programs.entries()) measured[index]?.push(await start(program, args, ready));
    }
    const figures = measured.map((of) => {
      const ratios = of.map(({ cpuMs }, round) => cpuMs / (measured[0]?.[round]?.cpuMs ?? Number.NaN));
      const cpuMs = median(of.map((one) => one.cpuMs));
      const memoryMb = median(of.map((one) => one.memoryMb));
      return `${cpuMs.toFixed(0)} ms, ${memoryMb.toFixed(0)} MB, ${ratio(median(ratios), 1)}`;
    });
    report(`${what}, ${name}`, figures.join(" | "));
  }
}
