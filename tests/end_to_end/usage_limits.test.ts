import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";

const config = (limits: string) => `job_root_dir: jobs
applications:
  wait: {command_template: "while [ ! -e ../../go ]; do sleep 0.05; done"}
destinations:
  local: {scheduler: {type: memory, slots: 4}, filesystem: {type: local}}
limits: {${limits}}
`;

async function refusal(daemon: DaemonProcess): Promise<readonly unknown[]> {
  const answer = await daemon.submit("wait", { "input.txt": "x".repeat(2_000_000) });
  if (answer.status === 303) return [303];
  const { detail } = (await answer.json()) as { readonly detail: unknown };
  return [answer.status, detail, answer.headers.get("retry-after")];
}

const kept = (daemon: DaemonProcess) => [
  ...readdirSync(join(daemon.directory, "jobs")).filter((name) => name !== ".bartender"),
  ...readdirSync(join(daemon.directory, "jobs/.bartender/uploads")),
];

describe("a daemon with limits", () => {
  test("counts the jobs of each user, and takes new ones when old ones end or are deleted", async () => {
    await using daemon = await startDaemon({ config: config("max_unfinished_jobs: 2, max_stored_jobs: 3") });
    const answers = await Promise.all([1, 2, 3, 4].map(() => refusal(daemon)));
    expect(answers.filter(([status]) => status === 303).length).toBe(2);
    const tooManyRunning = "max_unfinished_jobs: at most 2 at a time; try again in 60 s";
    expect(await refusal(daemon)).toEqual([429, tooManyRunning, "60"]);
    expect(kept(daemon).length).toBe(2);
    const bob = { authorization: `Bearer ${await daemon.token({ sub: "bob" })}` };
    const body = new FormData();
    const other = await daemon.call("PUT", "/api/application/wait", { headers: bob, body });
    expect(other.status).toBe(422);

    writeFileSync(join(daemon.directory, "go"), "");
    const [first = 0, second = 0] = kept(daemon).map(Number);
    await daemon.until(first, "ok");
    await daemon.until(second, "ok");
    expect(await refusal(daemon)).toEqual([303]);
    const tooMany = "max_stored_jobs: at most 3, delete some first; try again in 60 s";
    expect(await refusal(daemon)).toEqual([429, tooMany, "60"]);
    expect((await daemon.call("DELETE", `/api/job/${first}`)).status).toBe(204);
    expect(existsSync(join(daemon.directory, `jobs/${first}`))).toBe(false);
    expect(await refusal(daemon)).toEqual([303]);
  });

  test("answers submissions that come too fast with 429, and requests with a token too", async () => {
    await using daemon = await startDaemon({ config: config("submissions_per_minute: 1, requests_per_minute: 4") });
    expect(await refusal(daemon)).toEqual([303]);
    const [status, detail, retryAfter] = await refusal(daemon);
    expect([status, detail]).toEqual([429, expect.stringContaining("submissions_per_minute: at most 1 in a minute")]);
    expect(Number(retryAfter)).toBeWithin(1, 61);
    for (const expected of [200, 200, 429]) expect((await daemon.call("GET", "/api/whoami")).status).toBe(expected);
    expect((await daemon.call("GET", "/api/health")).status).toBe(200);
    expect(kept(daemon)).toEqual(["1"]);
  });
});
