import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SignJWT } from "jose";
import { type BootedSystemd, bootSystemd } from "../support/booted_systemd.ts";
import { cleanRoot } from "../support/clean_root.ts";
import { zipFile } from "../support/daemon_process.ts";
import { documentedDropIn, documentedSandbox } from "../support/documented_sandbox.ts";
import { tempDir } from "../support/temp_dir.ts";

// Machines come up on one that may be busy otherwise.
setDefaultTimeout(300_000);

/** How long a daemon there may take for what is waited for. */
const PATIENCE_MS = 60_000;

const ROOT = resolve(import.meta.dir, "../..");

const CONFIG = `
job_root_dir: /var/lib/bartender/jobs
destinations:
  here:
    scheduler: { type: memory, slots: 2 }
    filesystem: { type: local }
applications:
  wc:
    command_template: wc -w README.md
  slow:
    command_template: echo started; while [ ! -e go ]; do sleep 0.1; done; echo ended
`;

const PASSWORD = "planted-redis-password";
const QUEUE_CONFIG = `
job_root_dir: /var/lib/bartender/jobs
destinations:
  small:
    scheduler: { type: arq, password_file: $CREDENTIALS_DIRECTORY/redis, max_jobs: 3 }
    filesystem: { type: local }
applications:
  environment:
    command_template: cat /proc/self/environ
  slow:
    command_template: echo started; while [ ! -e go ]; do sleep 0.1; done; echo ended
`;

/** One file with everything, and the Debian package around it, made once for all tests. */
const built = tempDir();
let binary = "";
let debianPackage = "";
const input = join(built.path, "input.zip");

beforeAll(async () => {
  await Bun.write(input, zipFile({ "README.md": "one two three\n" }));
  const { status, stdout, stderr } = spawnSync(join(ROOT, "packaging/build"), [built.path], {
    encoding: "utf8",
    // Nobody keeps this package.
    env: { ...process.env, DPKG_DEB_COMPRESSOR_LEVEL: "1" },
  });
  if (status !== 0) throw new Error(`packaging/build: ${stderr}`);
  [binary = "", debianPackage = ""] = stdout.trim().split("\n");
});

afterAll(() => built[Symbol.dispose]());

/** A machine on which the daemon is installed and started. */
interface Installed extends AsyncDisposable {
  readonly machine: BootedSystemd;
  /** One request of alice. @returns status and body, with `location` before it */
  call(method: string, path: string, ...curl: readonly string[]): string;
  submit(application: string): number;
  state(id: number): string;
  until(what: string, check: () => boolean): Promise<void>;
  /** What `systemctl show` says. */
  show(property: string): string;
  mainPid(): number;
}

/** A root file system of Debian that was made anew, for which `CONTRIBUTING.md` has the command: that takes the network. */
const CLEAN_ROOT = process.env.BARTENDER_CLEAN_ROOT;

/**
 * @param dropIn changes of the unit
 * @param files of the machine, beside those that every daemon needs
 * @param isPackaged installs the package, else the parts one by one
 * @param base root file system to install on
 */
async function install({
  dropIn = "",
  config = CONFIG,
  files = {} as Readonly<Record<string, string>>,
  isPackaged = false,
  base = "/",
} = {}): Promise<Installed> {
  const bind = isPackaged
    ? ([debianPackage, "/srv/bartender.deb"] as const)
    : ([binary, "/usr/bin/bartender"] as const);
  const machine = await bootSystemd([bind], base);
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const token = await sign(privateKey);
  if (isPackaged) machine.ok("dpkg", "--no-triggers", "--force-unsafe-io", "--install", "/srv/bartender.deb");
  else installParts(machine);
  if (dropIn !== "") machine.write("/etc/systemd/system/bartender.service.d/test.conf", dropIn);
  machine.write("/etc/bartender/config.yaml", config);
  for (const [path, content] of Object.entries(files)) machine.write(path, content, 0o600);
  machine.write("/etc/bartender/public_key.pem", publicKey.export({ type: "spki", format: "pem" }));
  machine.ok("systemctl", "daemon-reload");
  machine.ok("systemctl", "start", "bartender");
  const call: Installed["call"] = (method, path, ...curl) =>
    machine.fromHere(
      ...["curl", "--silent", "--show-error", "--request", method, "--header", `Authorization: Bearer ${token}`],
      ...["--write-out", "\n%{http_code} %header{location}", ...curl, `http://127.0.0.1:8000${path}`],
    );
  const show: Installed["show"] = (property) =>
    machine.ok("systemctl", "show", "--value", "--property", property, "bartender");
  return {
    machine,
    call,
    submit(application) {
      const answer = call("PUT", `/api/application/${application}`, "--form", `upload=@${input};type=application/zip`);
      const id = /303 \S*\/api\/job\/(\d+)$/.exec(answer)?.[1];
      if (id === undefined) throw new Error(answer);
      return Number(id);
    },
    state: (id) => /"state":"(\w+)"/.exec(call("GET", `/api/job/${id}`))?.[1] ?? "",
    async until(what, check) {
      for (const deadline = Date.now() + PATIENCE_MS; !check(); await Bun.sleep(100)) {
        if (Date.now() > deadline) throw new Error(`Not in time: ${what}\n${journal(machine)}`);
      }
    },
    show,
    mainPid: () => Number(show("MainPID")),
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  };
}

function installParts(machine: BootedSystemd): void {
  for (const [from, to] of [
    ["bartender.service", "/etc/systemd/system/bartender.service"],
    ["bartender-perform@.service", "/etc/systemd/system/bartender-perform@.service"],
    ["bartender.sysusers.conf", "/usr/lib/sysusers.d/bartender.conf"],
    ["bartender.tmpfiles.conf", "/usr/lib/tmpfiles.d/bartender.conf"],
  ] as const) {
    machine.write(to, readFileSync(join(ROOT, "systemd", from)));
  }
  machine.ok("systemd-sysusers");
  machine.ok("systemd-tmpfiles", "--create", "bartender.conf");
}

function journal(machine: BootedSystemd): string {
  return machine.run("journalctl", "--unit", "bartender", "--no-pager", "--lines", "40").output;
}

function sign(key: KeyObject): Promise<string> {
  const payload = { sub: "alice", iss: "tests", exp: Math.floor(Date.now() / 1000) + 3600 };
  return new SignJWT(payload).setProtectedHeader({ alg: "RS256" }).sign(key);
}

describe.each([
  ["bartender.service", 25],
  // Commands are what it is for; the reasons stand in the unit.
  ["bartender-perform@small.service", 35],
])("the unit %s", (name, most) => {
  /** The program need not be installed where the unit is checked. */
  const unit = tempDir();
  const file = join(unit.path, name);

  beforeAll(async () => {
    const text = readFileSync(join(ROOT, "systemd", name.replace(/@.*\./, "@.")), "utf8");
    await Bun.write(file, text.replaceAll("/usr/bin/bartender", "/bin/true"));
  });
  afterAll(() => unit[Symbol.dispose]());

  test("has no fault that systemd-analyze verify finds", () => {
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test(`is exposed by at most ${most / 10} of 10`, () => {
    const args = ["security", "--offline=yes", `--threshold=${most}`, file];
    expect(spawnSync("systemd-analyze", args, { encoding: "utf8" }).status).toBe(0);
    // A threshold that nothing could pass shows that it is looked at.
    expect(spawnSync("systemd-analyze", args.with(2, "--threshold=1"), { encoding: "utf8" }).status).not.toBe(0);
  });
});

// Only root can boot a machine.
describe.skipIf(process.getuid?.() !== 0)("under a booted systemd", () => {
  test("the daemon is ready when systemctl start returns, says where it serves, and runs a job", async () => {
    await using world = await install();
    expect(world.show("ActiveState")).toBe("active");
    expect(world.show("StatusText")).toBe("Serving at http://127.0.0.1:8000");
    const id = world.submit("wc");
    await world.until("the job is ok", () => world.state(id) === "ok");
    expect(world.call("GET", `/api/job/${id}/stdout`)).toContain("3 README.md");
    expect(world.machine.ok("ps", "-o", "user=", "-p", String(world.mainPid()))).toBe("bartender");
    world.machine.ok("systemctl", "stop", "bartender");
    expect(world.show("Result")).toBe("success");
  });

  test("a job that runs while the daemon is restarted ends well, with one run of its command", async () => {
    await using world = await install();
    const id = world.submit("slow");
    await world.until("the job runs", () => world.state(id) === "running");
    const before = world.mainPid();
    world.machine.ok("systemctl", "restart", "bartender");
    expect(world.mainPid()).not.toBe(before);
    expect(world.state(id)).toBe("running");
    world.machine.ok("touch", `/var/lib/bartender/jobs/${id}/go`);
    await world.until("the job is ok", () => world.state(id) === "ok");
    expect(world.call("GET", `/api/job/${id}/stdout`)).toStartWith("started\nended\n");
  });

  test("a daemon that is killed is started again, and its running job ends well", async () => {
    await using world = await install();
    const id = world.submit("slow");
    await world.until("the job runs", () => world.state(id) === "running");
    const before = world.mainPid();
    world.machine.ok("kill", "-KILL", String(before));
    await world.until(
      "another daemon works",
      () => world.show("NRestarts") === "1" && world.show("ActiveState") === "active",
    );
    world.machine.ok("touch", `/var/lib/bartender/jobs/${id}/go`);
    await world.until("the job is ok", () => world.state(id) === "ok");
    expect(world.call("GET", `/api/job/${id}/stdout`)).toStartWith("started\nended\n");
  });

  test("commands run in the sandbox that the documentation shows, with the changes that it names for the unit", async () => {
    await using world = await install({ dropIn: documentedDropIn() });
    const sandbox = documentedSandbox({ "/srv/bartender/jobs": "/var/lib/bartender/jobs" });
    const config = CONFIG.replace("slots: 2", `slots: 2, sandbox: ${JSON.stringify(sandbox)}`).replace(
      "wc -w README.md",
      "wc -w README.md; id -un; ls -A /etc/bartender /run/bartender ..",
    );
    world.machine.write("/etc/bartender/config.yaml", config);
    world.machine.ok("systemctl", "restart", "bartender");
    const id = world.submit("wc");
    await world.until("the job has ended", () => ["ok", "error"].includes(world.state(id)));
    expect(world.call("GET", `/api/job/${id}/stderr`)).toMatch(/^\n?200/);
    expect(world.call("GET", `/api/job/${id}/stdout`)).toStartWith(
      `3 README.md\nbartender\n..:\n${id}\n\n/etc/bartender:\n\n/run/bartender:\n`,
    );
    expect(world.state(id)).toBe("ok");
  });

  test("the watchdog lets a daemon live that works, and replaces one that does not answer", async () => {
    await using world = await install({ dropIn: "[Service]\nWatchdogSec=2\nRestartSec=100ms\n" });
    const first = world.mainPid();
    const fedAt = () => world.show("WatchdogTimestampMonotonic");
    for (const seen = new Set<string>(); seen.size < 5; await Bun.sleep(100)) seen.add(fedAt());
    expect(world.mainPid()).toBe(first);
    world.machine.ok("kill", "-STOP", String(first));
    await world.until(
      "another daemon works",
      () => world.show("NRestarts") === "1" && world.show("ActiveState") === "active",
    );
    expect(world.mainPid()).not.toBe(first);
    expect(journal(world.machine)).toContain("Watchdog timeout");
    expect(world.call("GET", "/api/ready")).toContain("200");
  });

  test("systemctl reload takes a good configuration over while a job runs, and fails with the faults of a bad one", async () => {
    await using world = await install();
    const { machine } = world;
    const id = world.submit("slow");
    await world.until("the job runs", () => world.state(id) === "running");
    const before = world.mainPid();
    machine.write("/etc/bartender/config.yaml", `${CONFIG}\n  another:\n    command_template: echo another\n`);
    machine.ok("systemctl", "reload", "bartender");
    await world.until("it is active", () => world.show("ActiveState") === "active");
    await world.until("another application", () => world.call("GET", "/api/applications").includes("another"));

    machine.write("/etc/bartender/config.yaml", `${CONFIG}\n  third:\n    comand: echo third\n`);
    expect(machine.run("systemctl", "reload", "bartender").status).toBe(1);
    expect(journal(machine)).toMatch(/config\.yaml:\d+:\d+: applications\.third/);
    // Whoever sends the signal by hand gets the same answer from the daemon itself.
    machine.ok("systemctl", "kill", "--signal=HUP", "--kill-whom=main", "bartender");
    await world.until("the refusal is told", () => world.show("StatusText").includes("the last reload was refused"));
    expect(world.show("ActiveState")).toBe("active");
    const names = world.call("GET", "/api/applications");
    expect([names.includes("another"), names.includes("third")]).toEqual([true, false]);

    expect(world.mainPid()).toBe(before);
    machine.ok("touch", `/var/lib/bartender/jobs/${id}/go`);
    await world.until("the job is ok", () => world.state(id) === "ok");
  });

  test("a performer runs jobs under its unit and survives its death, and no password comes to light", async () => {
    const credential = "[Service]\nLoadCredential=redis:/etc/bartender/redis\n";
    await using world = await install({
      config: QUEUE_CONFIG,
      dropIn: `${credential}LoadCredential=database:/etc/bartender/redis\nEnvironment=BARTENDER_DB_PASS_FILE=%d/database BARTENDER_DB_URL=sqlite:bartender.db\n`,
      files: {
        "/etc/bartender/redis": `${PASSWORD}\n`,
        "/etc/redis-test.conf": `requirepass ${PASSWORD}\nsave ""\ndir /run\n`,
        "/etc/systemd/system/bartender-perform@.service.d/test.conf": credential,
      },
    });
    const { machine } = world;
    machine.ok("systemd-run", "--unit=redis-test", "redis-server", "/etc/redis-test.conf");
    machine.ok("systemctl", "start", "bartender-perform@small");
    const show = (property: string): string =>
      machine.ok("systemctl", "show", "--value", "--property", property, "bartender-perform@small");
    const seen = world.submit("environment");
    await world.until("the first job is ok", () => world.state(seen) === "ok");
    expect(machine.ok("bartender", "console", "performers")).toMatch(/small .*0 of 3 /);

    const id = world.submit("slow");
    await world.until("the job runs", () => world.state(id) === "running");
    const first = show("MainPID");
    machine.ok("kill", "-KILL", first);
    await world.until("another performer works", () => !["0", first].includes(show("MainPID")));
    machine.ok("touch", `/var/lib/bartender/jobs/${id}/go`);
    await world.until("the job is ok", () => world.state(id) === "ok");
    expect(world.call("GET", `/api/job/${id}/stdout`)).toStartWith("started\nended\n");

    // The command that checks the configuration before a reload may not read credentials; the daemon may.
    machine.ok("systemctl", "reload", "bartender");
    await world.until("the reload is told", () => journal(machine).includes("The configuration was taken over"));
    const environment = world.call("GET", `/api/job/${seen}/stdout`);
    expect(environment).toContain("PATH=");
    const places = {
      environment,
      journal: machine.ok("journalctl", "--no-pager", "--output", "json"),
      units: machine.ok("systemctl", "show", "bartender", "bartender-perform@small"),
      status: machine.ok("bartender", "console", "status", "--json"),
      tree: machine.ok("bartender", "console", "tree", "--json"),
      commandLines: machine.ok("sh", "-c", "cat /proc/[0-9]*/cmdline"),
    };
    expect(Object.entries(places).flatMap(([place, text]) => (text.includes(PASSWORD) ? [place] : []))).toEqual([]);
  });

  test("the package brings a service that serves the word count and its documentation, and goes without the jobs", async () => {
    using clean = CLEAN_ROOT === undefined ? cleanRoot("systemd", "dpkg") : undefined;
    await using world = await install({ isPackaged: true, base: clean?.path ?? CLEAN_ROOT ?? "/" });
    const { machine } = world;
    const id = world.submit("wc");
    await world.until("the job is ok", () => world.state(id) === "ok");
    for (const page of ["/api/docs", "/api/docs/swagger-ui-bundle.js", "/api/redoc/redoc.standalone.js"]) {
      expect(world.call("GET", page, "--output", "/dev/null")).toContain("200");
    }
    expect(machine.ok("bartender", "--version")).toStartWith("bartender ");
    for (const [page, text] of [
      ["man1/bartender.1", "bartender console why"],
      ["man5/bartender-config.5", "upload_needs"],
    ]) {
      expect(machine.ok("zcat", `/usr/share/man/${page}.gz`)).toContain(text ?? "");
    }
    const typed = "COMP_WORDS=(bartender console pau); COMP_CWORD=2; _bartender; echo $COMPREPLY";
    const completions = "/usr/share/bash-completion/completions/bartender";
    expect(machine.ok("bash", "-c", `. ${completions}; ${typed}`)).toBe("pause");
    expect(
      machine.ok("bartender", "check-config", "--config", "/usr/share/doc/bartender/examples/config.yaml"),
    ).toContain("OK");
    expect(machine.ok("systemctl", "cat", "bartender-perform@x")).toContain("ExecStart=/usr/bin/bartender perform");
    // A stand-in, as there is no Redis: it takes a moment to stop, and is not ended before.
    machine.write(
      "/etc/systemd/system/bartender-perform@x.service.d/test.conf",
      `[Service]\nExecStart=\nExecStart=/bin/sh -c "trap 'sleep 1; echo done >done; exit 0' TERM; while :; do sleep 0.1; done"
WorkingDirectory=/var/lib/bartender-perform-x\n`,
    );
    machine.ok("systemctl", "daemon-reload");
    machine.ok("systemctl", "enable", "--now", "bartender-perform@x");
    machine.ok("dpkg", "--remove", "bartender");
    expect(world.show("ActiveState")).toBe("inactive");
    expect(machine.ok("cat", "/var/lib/bartender-perform-x/done")).toBe("done");
    expect(machine.ok("systemctl", "list-units", "--plain", "--no-legend", "bartender-perform@*")).toBe("");
    expect(machine.ok("find", "/etc/systemd", "-type", "l", "-name", "bartender*")).toBe("");
    expect(machine.ok("cat", `/var/lib/bartender/jobs/${id}/stdout.txt`)).toBe("3 README.md");
  });
});
