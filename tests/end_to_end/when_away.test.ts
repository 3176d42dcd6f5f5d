import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { startRedis } from "../support/redis_server.ts";

// Real processes on a busy machine.
setDefaultTimeout(180_000);

/** By the content, so that it cannot be known before. */
const PICKER = `import { existsSync } from "node:fs";
export const pick = (jobDir) => (existsSync(jobDir + "/far") ? "far" : "queue");
`;

test("while Redis is away jobs for it are refused or wait, as configured; a refusal leaves nothing, and both go on when it is back", async () => {
  await using redis = await startRedis();
  const scheduler = `{type: arq, redis_dsn: "${redis.dsn}"}`;
  await using daemon = await startDaemon({
    files: { "by_file.js": PICKER },
    config: `job_root_dir: jobs
destination_picker: ./by_file.js:pick
applications:
  any: {command_template: "true"}
destinations:
  far: {scheduler: ${scheduler}, filesystem: {type: local}, when_away: refuse}
  queue: {scheduler: ${scheduler}, filesystem: {type: local}}
`,
  });
  const refused = async (): Promise<Response | undefined> => {
    const response = await daemon.submit("any", { far: "" });
    return response.status === 503 ? response : undefined;
  };
  const accepted = await daemon.submitOk("any", { far: "" });
  await daemon.until(accepted, "queued");
  await redis.stop("SIGKILL");
  const response = await eventually("a refusal", refused);
  expect(await response.json()).toEqual({ detail: 'Destination "far" does not answer, please try again later' });
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  const before = readdirSync(join(daemon.directory, "jobs"));
  expect(await refused()).toBeDefined();
  expect(readdirSync(join(daemon.directory, "jobs"))).toEqual(before);
  expect(readdirSync(join(daemon.directory, "jobs", ".bartender", "uploads"))).toEqual([]);
  const waiting = await daemon.submitOk("any", { "a.txt": "" });
  await daemon.until(waiting, "queued");
  expect(await (await daemon.call("GET", `/api/job/${waiting}`)).json()).toMatchObject({ destination: "queue" });
  await redis.start();
  const later = await eventually("to be accepted again", async () => {
    const answer = await daemon.submit("any", { far: "" });
    return answer.status === 303 && Number(answer.headers.get("location")?.split("/").at(-1));
  });
  for (const id of [accepted, waiting, later]) {
    await eventually("the job in Redis", () => redis.cli("keys", `*:attempt:*-${id}-1`) !== "");
  }
});
