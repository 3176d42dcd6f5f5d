import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type DaemonProcess, startDaemon } from "../support/daemon_process.ts";
import { eventually } from "../support/eventually.ts";
import { HELD_FILE, HOLD_FILE } from "../support/fault_points.ts";
import { ENDLESS_S, type SlowSlurm, slowSlurm } from "../support/slow_slurm.ts";
import { type SlurmCluster, type SlurmDaemon, startSlurmCluster } from "../support/slurm_cluster.ts";
import { sshAccount, sshServer } from "../support/ssh_server.ts";
import { tempDir } from "../support/temp_dir.ts";

setDefaultTimeout(600_000);

const FAULT_MAIN = resolve(import.meta.dir, "../support/fault_main.ts");

interface World extends AsyncDisposable {
  readonly cluster: SlurmCluster;
  readonly slurm: SlowSlurm;
  readonly daemon: DaemonProcess;
  /** Has the directories of the jobs where they run. */
  readonly entry: string;
  /** Directory of a job where it runs. */
  remote(id: number): string;
  /** Lets the call of a job wait at a fault point. */
  hold(id: number, point: string): void;
  isHeld(id: number): boolean;
  /** Answers to requests to delete a job. */
  readonly removals: Promise<Response>[];
  /** Lets all calls go on. */
  letGo(): void;
}

async function open(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const cluster = opened.use(await startSlurmCluster());
  const account = opened.use(sshAccount());
  const server = opened.use(await sshServer({ account }));
  const slurm = opened.use(slowSlurm(cluster.environment));
  const faults = opened.use(tempDir()).path;
  const { hostname, port, username, privateKeyFile, knownHostsFile } = server.config;
  const login = `{hostname: ${hostname}, port: ${port}, username: ${username}, private_key: ${privateKeyFile}, known_hosts: ${knownHostsFile}}`;
  const application = "command_template: echo $$ >>ledger; until [ -e go ]; do sleep 0.1; done";
  const destination = (more: string) => `scheduler: {type: slurm, partition: wide, ${more}}
    filesystem: {type: sftp, entry: ${server.entry}, ssh_config: ${login}}
    poll_interval: 1
    retry: {initial_delay: 1, max_delay: 2}`;
  const daemon = await startDaemon({
    config: `job_root_dir: jobs
destination_picker: bartender.picker:pick_byname
applications:
  wide:
    ${application}
  narrow:
    ${application}
  put_off:
    ${application}
destinations:
  wide:
    ${destination("max_jobs: 100")}
  narrow:
    ${destination("max_jobs: 1")}
  put_off:
    ${destination('extra_options: ["--hold"]')}
`,
    main: FAULT_MAIN,
    env: { ...slurm.environment, FAULTS: faults },
  });
  opened.use(daemon);
  const lines = (name: string): readonly string[] =>
    existsSync(join(faults, name)) ? readFileSync(join(faults, name), "utf8").split("\n") : [];
  const held: string[] = [];
  const writeHeld = (): void => writeFileSync(join(faults, HOLD_FILE), held.join("\n"));
  const kept = opened.move();
  return {
    ...{ cluster, slurm, daemon, entry: server.entry, removals: [] },
    remote: (id) => join(server.entry, String(id)),
    hold(id, point) {
      held.push(`${id} ${point}`);
      writeHeld();
    },
    isHeld: (id) => lines(HELD_FILE).some((line) => line.startsWith(`${id} `)),
    letGo() {
      held.length = 0;
      writeHeld();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Where a job is when the controller goes away, and what happens to it meanwhile. */
interface Phase {
  readonly application?: "narrow" | "put_off";
  /** True where a later one waits for its slot. */
  readonly takesSlot?: boolean;
  /** Has from its start the file with which the command ends. Default: true. */
  readonly isShort?: boolean;
  /** Where it is held until the controller is away. */
  readonly point?: string;
  /** Brings it there. */
  reach?(world: World, id: number): Promise<void>;
  meanwhile?(world: World, id: number): Promise<unknown>;
  /** When the controller is back. */
  after?(world: World, id: number): void;
  readonly end: "ok" | "cancelled" | "deleted";
  /** True where the job comes to its end without Slurm. */
  readonly isPastSlurm?: boolean;
}

const running = async ({ daemon, remote }: World, id: number): Promise<void> => {
  await daemon.until(id, "running");
  await eventually("the command to run", () => existsSync(join(remote(id), "ledger")));
};
const cancel = ({ daemon }: World, id: number) => daemon.call("POST", `/api/job/${id}/cancel`);
/** Not waited for, as it is answered when all is gone, or after a while. */
const remove = async ({ daemon, removals }: World, id: number) =>
  void removals.push(daemon.call("DELETE", `/api/job/${id}`));
const letEnd = async ({ remote }: World, id: number) => writeFileSync(join(remote(id), "go"), "");

/** In this order: the second waits for the place of the first, and the last one keeps others from being cancelled. */
const PHASES: Readonly<Record<string, Phase>> = {
  running: { application: "narrow", takesSlot: true, isShort: false, reach: running, meanwhile: letEnd, end: "ok" },
  "waiting for a slot": {
    application: "narrow",
    reach: async ({ daemon }, id) => void (await daemon.until(id, "queued")),
    end: "ok",
  },
  "staging in": { point: "before:upload", end: "ok" },
  "about to be submitted": { point: "before:submit", end: "ok" },
  "submitted, with the answer under way": { point: "after:submit", end: "ok" },
  queued: {
    application: "put_off",
    reach: async ({ cluster }, id) =>
      void (await eventually("Slurm to have it", () => numberIn(cluster, id) !== undefined)),
    after: ({ cluster }, id) => void cluster.command("scontrol", "release", numberIn(cluster, id) ?? ""),
    end: "ok",
  },
  "running, and cancelled while nobody answers": {
    isShort: false,
    reach: running,
    meanwhile: cancel,
    end: "cancelled",
  },
  "running, and deleted while nobody answers": { isShort: false, reach: running, meanwhile: remove, end: "deleted" },
  "about to be cancelled": {
    point: "before:cancel",
    isShort: false,
    async reach(world, id) {
      await running(world, id);
      await cancel(world, id);
    },
    end: "cancelled",
  },
  "staging out": { point: "before:download", end: "ok", isPastSlurm: true },
  closing: { point: "before:remove-copy", end: "ok", isPastSlurm: true },
  deleting: {
    point: "before:remove-copy",
    isShort: false,
    async reach(world, id) {
      await running(world, id);
      await remove(world, id);
    },
    end: "deleted",
    isPastSlurm: true,
  },
  "cancelled, with the answer under way": {
    isShort: false,
    async reach(world, id) {
      const { slurm, cluster } = world;
      await running(world, id);
      const calls = slurm.calls("scancel");
      slurm.slow({ afterS: ENDLESS_S }, "scancel");
      await cancel(world, id);
      await eventually("Slurm to end it", () => slurm.calls("scancel") > calls && numberIn(cluster, id) === undefined);
    },
    meanwhile: async ({ slurm }) => slurm.slow({}),
    end: "cancelled",
  },
};

/** The number of a job that Slurm has, and that has not ended. */
function numberIn(cluster: SlurmCluster, id: number): string | undefined {
  const rows = cluster.command("squeue", "-h", "-o", "%i %j").split("\n");
  return rows.find((row) => row.endsWith(`-${id}-1`))?.split(" ")[0];
}

const FAULTS: Readonly<
  Record<string, (controller: SlurmDaemon, meanwhile: (isLong: boolean) => Promise<void>) => Promise<unknown>>
> = {
  async stopped(controller, meanwhile) {
    await controller.stop();
    await meanwhile(true);
    await controller.start();
  },
  async frozen(controller, meanwhile) {
    controller.freeze();
    await meanwhile(true);
    controller.thaw();
  },
  restarted: (controller, meanwhile) =>
    Promise.all([controller.stop().then(() => controller.start()), meanwhile(false)]),
};

test.concurrent.each(Object.keys(FAULTS))(
  "a controller that is %s costs no job in any phase, and none runs twice",
  async (name) => {
    await using world = await open();
    const { cluster, daemon, entry } = world;
    const jobs = Object.entries(PHASES).map(([phase, how], index) => ({ phase, how, id: index + 1 }));
    for (const { how, id } of jobs) {
      if (how.point !== undefined) world.hold(id, how.point);
      const files = how.isShort === false ? { input: "" } : { go: "" };
      expect(await daemon.submitOk(how.application ?? "wide", files)).toBe(id);
      if (how.takesSlot === true) await how.reach?.(world, id);
    }
    for (const { phase, how, id } of jobs) {
      await how.reach?.(world, id);
      if (how.point !== undefined) await eventually(`the job to be ${phase}`, () => world.isHeld(id));
    }
    const isOver = async ({ end }: Phase, id: number): Promise<void> => {
      if (end === "deleted") {
        await eventually(`job ${id} to go`, () => !existsSync(join(daemon.directory, "jobs", String(id))));
      } else {
        const expected = end === "ok" ? { state: "ok" } : { state: "error", reason: "Cancelled by alice" };
        expect(await daemon.until(id, "ok", "error")).toMatchObject({ id, ...expected });
        const ledger = readFileSync(join(daemon.directory, "jobs", String(id), "ledger"), "utf8");
        expect(ledger.split("\n").length).toBe(2);
      }
    };
    await FAULTS[name]?.(cluster.controller, async (isLong) => {
      for (const { how, id } of jobs) await how.meanwhile?.(world, id);
      world.letGo();
      if (isLong)
        await eventually("the outage to be seen", () => /The destination is degraded/.test(daemon.log()), 90_000);
      for (const { how, id } of jobs) if (how.isPastSlurm === true) await isOver(how, id);
    });
    await cluster.ready();
    for (const { how, id } of jobs) how.after?.(world, id);
    for (const { how, id } of jobs) await isOver(how, id);
    for (const { status } of await Promise.all(world.removals)) expect(status).toBe(204);
    await eventually("nothing to be left", () => leftIn(entry).length === 0);
    expect(cluster.command("squeue", "-h")).toBe("");
    expect(processesBelow(entry)).toEqual([]);
  },
);

function leftIn(entry: string): readonly string[] {
  return readdirSync(entry).filter((name) => name !== ".bartender");
}

/** Processes that work in a directory below `path`. */
function processesBelow(path: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(`${path}/`);
    } catch {
      return false;
    }
  });
}
