import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { runConsole } from "../support/console_process.ts";
import { type DaemonProcess, type SpawnedCommand, spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { startRedis } from "../support/redis_server.ts";

// Real processes on a busy machine.
setDefaultTimeout(180_000);

const FILES = { "a.txt": "a" };

async function startPerformer(daemon: DaemonProcess, logName: string): Promise<SpawnedCommand> {
  const env = { STATE_DIRECTORY: join(daemon.directory, `state-${logName}`) };
  const performer = spawnDaemon(daemon.directory, { logName, env, args: ["perform"] });
  await eventually("the performer", () => performer.output().includes("Worker running for 'far'"), 120_000);
  return performer;
}

test("`why` tells why no performer takes a job that waits in Redis, and `performers` of which destinations they are not known", async () => {
  await using redis = await startRedis();
  await using daemon = await startDaemon({
    config: `job_root_dir: jobs
applications: {waits: {command_template: "until [ -e go ]; do sleep 0.05; done"}}
destinations:
  far: {scheduler: {type: arq, redis_dsn: "${redis.dsn}", max_jobs: 1}, filesystem: {type: local}}
  here: {scheduler: {type: memory}, filesystem: {type: local}}
`,
  });
  const go = (id: number): void => writeFileSync(join(daemon.directory, "jobs", String(id), "go"), "");
  const why = async (id: number): Promise<string> => (await runConsole(daemon, "why", String(id))).text;
  const untilWhy = (id: number, text: string): Promise<unknown> =>
    eventually(`the explanation "${text}"`, async () => (await why(id)).includes(text));
  const performers = async (...args: readonly string[]): Promise<string> =>
    (await runConsole(daemon, "performers", ...args)).text;

  const first = await daemon.submitOk("waits", FILES);
  await daemon.until(first, "queued");
  await untilWhy(first, "No performer is there to run it; `bartender perform --destination far` starts one.");
  expect(await performers()).toBe("No performer is there.\n");

  await using performer = await startPerformer(daemon, "first.log");
  await daemon.until(first, "running");
  const second = await daemon.submitOk("waits", FILES);
  await untilWhy(second, "No performer has room for it: of 1 performer 1 runs as many jobs as may run at a time.");
  await runConsole(daemon, "pause", "far");
  expect(await why(second)).toContain("That the destination is paused does not keep it from starting");
  await runConsole(daemon, "resume", "far");

  performer.child.kill("SIGSTOP");
  await untilWhy(second, "of 1 performer 1 has not been heard of for ");
  performer.child.kill("SIGCONT");
  performer.child.kill("SIGTERM");
  await untilWhy(second, "of 1 performer 1 takes no more jobs, being stopped or with a full disk.");

  await redis.stop("SIGKILL");
  await untilWhy(second, "Whether a performer is there for it is not known: Redis has not answered for ");
  expect(await why(second)).toContain("Redis cannot be reached: ");
  expect(await performers()).toMatch(
    /^! far: its performers are not known: Redis cannot be reached: .* \(for \d+ s\)\n$/,
  );
  expect(JSON.parse(await performers("--json"))).toMatchObject({ performers: [], unknown: [{ destination: "far" }] });

  await redis.start();
  await using next = await startPerformer(daemon, "next.log");
  go(first);
  await daemon.until(first, "ok", "error");
  go(second);
  await daemon.until(second, "ok");
  expect(await performers()).toContain("far");
  expect(next.child.exitCode).toBeNull();
});

test("an administrator is told which performer has a job and which host has had it, and each performer logs its jobs", async () => {
  await using redis = await startRedis();
  await using daemon = await startDaemon({
    config: `job_root_dir: jobs
applications:
  waits:
    command_template: "echo {{word|q}}; until [ -e go ]; do sleep 0.05; done"
    input_schema: {type: object, properties: {word: {type: string, default: hunter2}}}
destinations:
  far: {scheduler: {type: arq, redis_dsn: "${redis.dsn}", max_jobs: 1, heartbeat_timeout: 15}, filesystem: {type: local}}
`,
  });
  await using one = await startPerformer(daemon, "one.log");
  await using two = await startPerformer(daemon, "two.log");
  const say = async (...words: readonly string[]): Promise<string> => (await runConsole(daemon, ...words)).text;
  const nameOf = ({ output }: SpawnedCommand): string => /"performer":"([^"]+)"/.exec(output())?.[1] ?? "none";

  const ids = [await daemon.submitOk("waits", FILES), await daemon.submitOk("waits", FILES)];
  for (const id of ids) await daemon.until(id, "running");
  const rows = (await say("performers", "--jobs")).split("\n").slice(1, 3);
  expect(rows.map((row) => Number(/1 of 1 .* (\d+) *$/.exec(row)?.[1])).toSorted()).toEqual(ids);
  const holders = await Promise.all(
    ids.map(async (id) => /\nperformer +(\S+) on host/.exec(await say("job", `${id}`))?.[1]),
  );
  expect(holders.toSorted()).toEqual([nameOf(one), nameOf(two)].toSorted());
  const [lost, good] = holders[0] === nameOf(one) ? ids : ids.toReversed();
  expect(await say("why", `${lost}`)).toContain(`Performer ${nameOf(one)} on host ${hostname()} has it.`);

  one.child.kill("SIGKILL");
  await eventually("silence", async () =>
    (await say("why", `${lost}`)).includes("has it, and has not been heard of for "),
  );
  writeFileSync(join(daemon.directory, "jobs", String(good), "go"), "");
  await daemon.until(good ?? 0, "ok");
  await daemon.until(lost ?? 0, "error");
  expect(await say("why", `${good}`)).toContain(`ended well on host ${hostname()}`);
  expect(await say("why", `${lost}`)).toContain(`It failed on host ${hostname()}: The performer was lost`);
  expect(await say("job", `${good}`)).toMatch(new RegExp(`\\nhost +${hostname()}\\n`));
  expect(await say("events")).toContain(`job ${good} finished on far, host ${hostname()} (waits, `);
  expect(daemon.log()).toContain(
    `"destination":"far","performer":"${nameOf(one)}","host":"${hostname()}","attempts":1`,
  );

  const told = two
    .output()
    .split("\n")
    .filter((line) => line.includes("The job has ended"));
  const directory = join(daemon.directory, "jobs", String(good));
  expect(told.map((line): unknown => JSON.parse(line))).toMatchObject([
    { level: "info", job: good, destination: "far", application: "waits", directory, state: "ok", returnCode: 0 },
  ]);
  expect(two.output()).not.toContain("hunter2");
});
