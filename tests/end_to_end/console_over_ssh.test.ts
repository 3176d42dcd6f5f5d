import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runConsole } from "../support/console_process.ts";
import { startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { startSlurmCluster } from "../support/slurm_cluster.ts";
import { sshAccount, sshServer } from "../support/ssh_server.ts";

setDefaultTimeout(180_000);

const cluster = await startSlurmCluster();
const account = sshAccount();
const server = await sshServer({ account, settings: [`SetEnv SLURM_CONF=${cluster.environment.SLURM_CONF}`] });
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  account[Symbol.dispose]();
});

test("an administrator finds out what is wrong with a stuck cluster, drains it and brings it back", async () => {
  const ssh = `{hostname: 127.0.0.1, port: ${server.port}, username: ${account.username}, private_key: ${server.keyFile}, known_hosts: ${server.knownHostsFile}}`;
  await using daemon = await startDaemon({
    config: `job_root_dir: jobs
applications:
  say:
    command_template: echo hello; until [ -e go ] || [ {{ wait|q }} = no ]; do sleep 0.1; done
    input_schema: {type: object, properties: {wait: {type: string, default: "no"}}}
destinations:
  cluster:
    scheduler: {type: slurm, partition: wide, ssh_config: ${ssh}}
    filesystem: {type: sftp, entry: ${JSON.stringify(server.entry)}, ssh_config: ${ssh}}
    poll_interval: 1
    retry: {initial_delay: 1, max_delay: 2}
`,
  });
  const ask = async (...args: readonly string[]): Promise<string> => {
    const { status, text } = await runConsole(daemon, ...args);
    expect({ args, status, text }).toMatchObject({ status: 0 });
    if (process.env.BARTENDER_SHOW === "1") console.log(`$ bartender console ${args.join(" ")}\n${text}`);
    return text;
  };
  const submit = (wait = "no"): Promise<number> => daemon.submitOk("say", { "input.txt": "x\n" }, { wait });

  const running = await submit("yes");
  await daemon.until(running, "running");
  await server.kill();
  const stuck = await submit();
  await eventually(
    "the outage to be seen",
    async () => /degraded/.test((await runConsole(daemon, "status")).text),
    60_000,
  );

  const status = await ask("status");
  expect(status).toMatch(/cluster +open +degraded/);
  expect(status).toMatch(
    /! cluster: its (scheduler|file system) has not answered for .*127\.0\.0\.1.*(next try|trying)/,
  );
  // The files of the other job may be missed before the scheduler is.
  const explanation =
    /has been running on destination cluster.*The scheduler has not answered for.*ECONNREFUSED.*Nothing is lost.*`drain cluster`/;
  await eventually("the reason of the running job", async () => explanation.test(await ask("why", String(running))));
  expect(await ask("why", String(stuck))).toMatch(
    /has been new on destination cluster.*(file system|scheduler) has not answered/,
  );

  await ask("drain", "cluster");
  const late = await submit();
  await eventually("the new job to wait", async () =>
    /being drained/.test((await runConsole(daemon, "why", String(late))).text),
  );
  expect(await ask("why", String(late))).toMatch(
    /has been new for.*Destination "cluster" is being drained by an administrator/,
  );
  expect(await ask("status")).toMatch(/cluster: set to drain by uid \d+, tester \(claimed\)/);

  // What an administrator decided is in the database.
  await daemon.restart();
  expect(await ask("status")).toMatch(/cluster +draining/);

  await server.start();
  writeFileSync(join(server.entry, String(running), "go"), "");
  expect(await daemon.until(running, "ok", "error")).toMatchObject({ state: "ok" });
  await eventually("the destination to be drained", async () =>
    /cluster +drained +healthy/.test((await runConsole(daemon, "status")).text),
  );
  expect(await daemon.job(stuck)).toMatchObject({ state: "queued" });
  expect(await ask("why", String(stuck))).toMatch(/The destination is being drained.*`resume cluster` lets it go on/);

  await ask("resume", "cluster");
  for (const id of [stuck, late]) expect(await daemon.until(id, "ok", "error")).toMatchObject({ state: "ok" });
  expect(await ask("status")).toMatch(/cluster +open +healthy/);
  expect(await ask("audit")).toMatch(
    /tester \(claimed\) +resume +destination cluster +open\n.*drain +destination cluster/,
  );
});
