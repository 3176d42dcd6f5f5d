/**
 * Slurm jobs through the daemon on a private cluster.
 *
 * - Submissions: all of them through REST until Slurm has them, beside a bare loop of `sbatch`, one after the other.
 * - The same where the cluster is reached over SSH and files are copied there, beside a bare loop of `ssh host sbatch`, with
 *   a connection for each, and with one for all of them.
 * - Status: the `squeue` and `sacct` of the daemon in a minute while many jobs are with Slurm, and the controller's time
 *   for them, beside one `squeue` per job and tick.
 *
 *     bun bench/slurm.ts [submissions] [active jobs]
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zipSync } from "fflate";
import { startDaemon } from "../tests/support/daemon_process.ts";
import { startSlurmCluster } from "../tests/support/slurm_cluster.ts";
import { sshAccount, sshServer } from "../tests/support/ssh_server.ts";
import { tempDir } from "../tests/support/temp_dir.ts";
import { httpLoad, submissionBytes } from "./support/http_load.ts";
import { ratio, report } from "./support/report.ts";

const submissions = Number(process.argv[2] ?? 300);
const active = Number(process.argv[3] ?? 1000);

const POLL_S = 5;
const ROUNDS = 3;
const WARM_UP = 100;

await using cluster = await startSlurmCluster();
using dir = tempDir();
const counted = countingCommands(dir.path);

await using near = await open("scheduler: {type: slurm, EXTRA}\n    filesystem: {type: local}");
await compare("", near.through, { "bare loop of sbatch": () => bareLoop("sbatch --parsable script") });

await near.through(Math.max(0, active - WARM_UP - ROUNDS * submissions));
const watched = Math.max(active, WARM_UP + ROUNDS * submissions);
cluster.command("sdiag", "--reset");
counted.reset();
await Bun.sleep(60_000);
const ours = { ...counted.counts(), ...controllerTime() };
report(`status commands a minute for ${watched} jobs`, `${ours.squeue} squeue, ${ours.sacct} sacct`);
report("time of the controller for them", `${ours.ms.toFixed(1)} ms`);

const ids = cluster.command("squeue", "-h", "-o", "%i").trim().split("\n").slice(0, 200);
cluster.command("sdiag", "--reset");
for (const id of ids) cluster.command("squeue", "-h", "-j", id, "-o", "%T");
const single = controllerTime().ms / ids.length;
const perMinute = (watched * 60) / POLL_S;
report("one squeue per job and tick", `${perMinute} a minute, ${(single * perMinute).toFixed(0)} ms of the controller`);
report("status commands", `1 : ${(perMinute / Math.max(1, ours.squeue + ours.sacct)).toFixed(0)}`);
cluster.command("scancel", "--me");
await near.daemon.stop();

using account = sshAccount();
await using server = await sshServer({ account, settings: [`SetEnv SLURM_CONF=${cluster.environment.SLURM_CONF}`] });
const { hostname, port, username, privateKeyFile, knownHostsFile } = server.config;
const login = `ssh_config: {hostname: ${hostname}, port: ${port}, username: ${username}, private_key: ${privateKeyFile}, known_hosts: ${knownHostsFile}}`;
await using far = await open(
  `scheduler: {type: slurm, EXTRA, ${login}}\n    filesystem: {type: sftp, entry: ${server.entry}, ${login}}`,
);
const ssh = `ssh -q -p ${port} -i ${privateKeyFile} -o UserKnownHostsFile=${knownHostsFile}`;
const one = `${ssh} -o ControlMaster=auto -o ControlPersist=60 -o ControlPath=${join(dir.path, "control")}`;
const sbatch = `${username}@${hostname} sbatch --parsable <script`;
await compare(", over SSH", far.through, {
  "bare loop of ssh host sbatch": () => bareLoop(`${ssh} ${sbatch}`),
  "bare loop over one connection": () => bareLoop(`${one} ${sbatch}`),
});
execFileSync("sh", ["-c", `${one} -O exit ${username}@${hostname}`], { stdio: "ignore" });
await far.daemon.stop();
cluster.command("scancel", `--user=${username}`);
cluster.command("scancel", "--me");

/** A daemon, and what lets it submit. @param destination in YAML; `EXTRA` stands for what all have */
async function open(destination: string) {
  const daemon = await startDaemon({
    config: `job_root_dir: jobs
applications:
  wait: {command_template: "sleep 3600"}
destinations:
  cluster:
    ${destination.replace("EXTRA", 'partition: main, extra_options: ["--begin=now+1hour"]')}
    poll_interval: ${POLL_S}
`,
    env: { ...cluster.environment, PATH: `${counted.directory}:${process.env.PATH}` },
  });
  const request = submissionBytes("wait", await daemon.token(), zipSync({ "input.txt": new Uint8Array([10]) }));
  const port = Number(new URL(daemon.url).port);
  return {
    daemon,
    /** @returns seconds until Slurm has as many more jobs of the daemon */
    async through(requests: number): Promise<number> {
      const before = submitted();
      const fromMs = performance.now();
      await httpLoad({ port, connections: 8, requests, request: () => request, expected: 303 });
      // Asks for their number alone, as a list of them would burden the controller.
      while (submitted() < before + requests) await Bun.sleep(50);
      return (performance.now() - fromMs) / 1000;
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

type Through = (requests: number) => Promise<number>;

/** Each bare loop runs before and after ours in every round. */
async function compare(how: string, through: Through, loops: Readonly<Record<string, () => number>>): Promise<void> {
  // The first submissions look at what is there, and warm the daemon up.
  await through(WARM_UP);
  for (let round = 1; round <= ROUNDS; round++) {
    const before = Object.values(loops).map((loop) => loop());
    const oursS = await through(submissions);
    report(`submissions through the daemon${how}, round ${round}`, `${(submissions / oursS).toFixed(0)}/s`);
    for (const [index, [name, loop]] of Object.entries(loops).entries()) {
      const bareS = ((before[index] ?? 0) + loop()) / 2;
      report(name, `${(submissions / bareS).toFixed(0)}/s; ours ${ratio(bareS, oursS)}`);
    }
  }
}

/** Jobs that the controller has taken since it started. */
function submitted(): number {
  return Number(/^Jobs submitted:\s*(\d+)/m.exec(cluster.command("sdiag"))?.[1]);
}

/**
 * In a session of its own, as the commands of the daemon are: on a busy machine the kernel shares the cores out between
 * sessions.
 *
 * @param line submits `script`
 * @returns seconds for as many submissions, one after the other
 */
function bareLoop(line: string): number {
  const place = join(dir.path, "bare");
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "script"), "#!/bin/bash\n#SBATCH --begin=now+1hour\nsleep 3600\n");
  const loop = `set -e; i=0; while [ "$i" -lt "$1" ]; do ${line}; i=$((i + 1)); done`;
  const fromMs = performance.now();
  execFileSync("setsid", ["--wait", "sh", "-c", loop, "sh", String(submissions)], {
    cwd: place,
    env: cluster.environment,
    stdio: "ignore",
  });
  return (performance.now() - fromMs) / 1000;
}

/** What the controller has spent on questions about jobs since the last reset. */
function controllerTime(): { readonly ms: number } {
  const rows = cluster
    .command("sdiag")
    .matchAll(/REQUEST_JOB_INFO\w*\s*\(\s*\d+\) count:\d+\s+ave_time:\d+\s+total_time:(\d+)/g);
  return { ms: [...rows].reduce((sum, [, micros]) => sum + Number(micros), 0) / 1000 };
}

/** A directory for the `PATH` whose commands are Slurm's own, and write down that they were called. */
function countingCommands(root: string) {
  const directory = join(root, "bin");
  mkdirSync(directory);
  const names = ["squeue", "sacct"] as const;
  for (const name of names) {
    writeFileSync(join(directory, name), `#!/bin/sh\necho >>"${join(root, name)}"\nexec /usr/bin/${name} "$@"\n`);
    chmodSync(join(directory, name), 0o755);
  }
  const count = (name: string): number =>
    existsSync(join(root, name)) ? readFileSync(join(root, name), "utf8").length : 0;
  return {
    directory,
    reset() {
      for (const name of names) writeFileSync(join(root, name), "");
    },
    counts: () => ({ squeue: count("squeue"), sacct: count("sacct") }),
  };
}
