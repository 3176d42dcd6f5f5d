import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnDaemon, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { freePort, makeKey, sshAccount, sshServer } from "../support/ssh_server.ts";
import { tempDir } from "../support/temp_dir.ts";

setDefaultTimeout(120_000);

const account = sshAccount();
const server = await sshServer({ account });
const directory = tempDir();
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  account[Symbol.dispose]();
  directory[Symbol.dispose]();
});

/** Each is planted where the daemon finds it, and must be found nowhere else. */
const PLANTED = {
  sshPassword: "planted-ssh-password",
  wrongPassphrase: "planted-wrong-passphrase",
  rightPassphrase: "planted-right-passphrase",
  redisPassword: "planted-redis-password",
  databasePassword: "planted-database-password",
};

/** The middle of a key file, long enough to be no accident. */
function pieceOf(keyFile: string): string {
  return readFileSync(keyFile, "utf8").split("\n")[2]?.slice(0, 30) ?? "";
}

async function configuration(keyFile: string): Promise<string> {
  const host = `hostname: 127.0.0.1, port: ${server.port}, username: ${account.username}, known_hosts: ${server.knownHostsFile}`;
  const cluster = (login: string, address = host): string => {
    const ssh = `ssh_config: {${address}, ${login}}`;
    return `{scheduler: {type: slurm, ${ssh}}, filesystem: {type: sftp, entry: ${server.entry}, ${ssh}}}`;
  };
  const closed = `hostname: 127.0.0.1, port: ${await freePort()}, username: somebody, known_hosts: ${server.knownHostsFile}`;
  const names = ["env", "login", "passphrase", "refused", "absent", "queue", "broken"];
  const command = (name: string) => (name === "broken" ? "exit 3" : "env; cat /proc/$PPID/environ 2>/dev/null; true");
  return `job_root_dir: jobs
destination_picker: bartender.picker:pick_byname
applications:
${names.map((name) => `  ${name}: {command_template: "${command(name)}"}`).join("\n")}
destinations:
  env: {scheduler: {type: memory}, filesystem: {type: local}}
  broken: {scheduler: {type: memory}, filesystem: {type: local}}
  login: ${cluster("password_file: ssh_password")}
  passphrase: ${cluster(`private_key: ${keyFile}, passphrase: ${PLANTED.wrongPassphrase}`)}
  refused: ${cluster(`private_key: ${keyFile}, passphrase: ${PLANTED.rightPassphrase}`)}
  absent: ${cluster(`password: ${PLANTED.sshPassword}`, closed)}
  queue:
    scheduler: {type: arq, redis_dsn: "redis://user:${PLANTED.redisPassword}@127.0.0.1:${await freePort()}"}
    filesystem: {type: local}
`;
}

test("no secret reaches logs, answers, commands or measures, whatever goes wrong", async () => {
  const keyFile = makeKey(directory.path, "locked", PLANTED.rightPassphrase);
  await using daemon = await startDaemon({
    config: await configuration(keyFile),
    files: { ssh_password: `${PLANTED.sshPassword}\n` },
    env: {
      BARTENDER_LOG_LEVEL: "trace",
      BARTENDER_METRICS_PORT: "0",
      // Not used beside BARTENDER_DB_URL, but there.
      BARTENDER_DB_PASS: PLANTED.databasePassword,
    },
  });
  const token = await daemon.token({ sub: "alice" });
  const answers: string[] = [];
  const ask = async (path: string, init: RequestInit = {}): Promise<void> => {
    const answer = await fetch(daemon.url + path, { redirect: "manual", ...init });
    answers.push(`${answer.status} ${JSON.stringify([...answer.headers])} ${await answer.text()}`);
  };

  const jobs = new Map<string, number>();
  for (const name of ["env", "broken", "login", "passphrase", "refused", "absent", "queue"]) {
    jobs.set(name, await daemon.submitOk(name, { "a.txt": "a" }));
  }
  const env = jobs.get("env") ?? 0;
  await daemon.until(env, "ok");
  await daemon.until(jobs.get("broken") ?? 0, "error");
  // Each trouble has been told before it is looked through.
  for (const name of ["login", "passphrase", "refused", "absent", "queue"]) {
    await eventually(`the fault of ${name}`, async () => {
      const { reason, state } = (await daemon.job(jobs.get(name) ?? 0)) as unknown as Record<string, unknown>;
      return state === "error" || typeof reason === "string";
    });
  }

  const damaged = `${token.slice(0, -20)}${"A".repeat(20)}`;
  for (const path of ["/api/whoami", "/api/job/999999", "/api/nothing", "/api/whoami/", `/api/job/${env}/files/x`]) {
    for (const secret of [token, damaged]) {
      await ask(`${path}?token=${secret}`);
      await ask(`${path}?a=b&%74oken=${secret}`);
      await ask(path, { headers: { authorization: `Bearer ${secret}` } });
      await ask(path, { headers: { authorization: `Basic ${secret}` } });
      await ask(path, { headers: { cookie: `bartenderToken=${secret}` } });
      await ask(path, { method: "PUT", headers: { authorization: `Bearer ${secret}` }, body: secret });
    }
  }
  for (const id of jobs.values()) {
    for (const path of ["", "/history", "/stdout", "/stderr"]) await ask(`/api/job/${id}${path}?token=${token}`);
  }
  const served = /"hostname":"127\.0\.0\.1","port":(\d+),"msg":"Measures/.exec(daemon.log())?.[1];
  const measures = await (await fetch(`http://127.0.0.1:${served}/metrics`)).text();
  await daemon.stop();

  const files = ["stdout.txt", "stderr.txt"].map((name) =>
    readFileSync(join(daemon.directory, "jobs", String(env), name), "utf8"),
  );
  expect(files[0]).toContain("PATH=");
  expect(daemon.log().split("\n").length).toBeGreaterThan(100);
  expect(answers.length).toBeGreaterThan(80);
  // `whoami` shows a caller the own token, and a redirection repeats the query of its request; refusals show neither.
  const refusals = answers.filter((answer) => /^[45]/.test(answer));
  expect(refusals.length).toBeGreaterThan(40);

  const secrets = { ...PLANTED, keyFile: pieceOf(keyFile) };
  const places = { log: daemon.log(), answers: answers.join("\n"), job: files.join("\n"), measures };
  const found = Object.entries(places).flatMap(([place, text]) =>
    Object.entries(secrets).flatMap(([name, secret]) => (text.includes(secret) ? [`${name} in ${place}`] : [])),
  );
  expect(found).toEqual([]);
  const signature = token.split(".")[2]?.slice(0, 40) ?? token;
  expect(daemon.log()).not.toContain(signature);
  expect(refusals.join("\n")).not.toContain(signature);
  expect(measures + files.join("\n")).not.toContain(signature);
});

test("a database that is out of reach is named without its password", async () => {
  using place = tempDir();
  writeFileSync(join(place.path, "config.yaml"), "job_root_dir: jobs\napplications: {wc: {command_template: wc}}\n");
  writeFileSync(join(place.path, "public_key.pem"), "no key");
  const url = `postgresql://bartender:${PLANTED.databasePassword}@127.0.0.1:${await freePort()}/jobs`;
  for (const args of [["serve"], ["migrate"], ["check-config"]]) {
    await using command = spawnDaemon(place.path, {
      ...{ logName: "out.log", args },
      env: { BARTENDER_DB_URL: url, BARTENDER_LOG_LEVEL: "trace" },
    });
    await command.ended();
    expect(command.output()).not.toContain(PLANTED.databasePassword);
    expect(command.output()).not.toBe("");
  }
});
