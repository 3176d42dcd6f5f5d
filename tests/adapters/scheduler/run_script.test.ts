import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RUN_PLAIN_SCRIPT, runArguments } from "../../../adapters/scheduler/run_script.ts";
import { tempDir } from "../../support/temp_dir.ts";

const SCRIPTS = {
  with_shebang: '#!/bin/sh\necho "$#" "$@"; [ "$$" != "$PPID" ]; exit 3\n',
  without_shebang: 'echo "$#" "$@"; exit 4\n',
  killed: "#!/bin/sh\nkill -9 $$\n",
};

/** Every shell of this machine that could be a `/bin/sh`; `argv0` decides about the POSIX mode of bash. */
const SHELLS = [
  { name: "the machine's sh", program: "/bin/sh", first: [] },
  { name: "dash", program: "/bin/dash", first: [] },
  { name: "bash", program: "/bin/bash", first: [] },
  { name: "bash in POSIX mode", program: "/bin/bash", first: ["--posix"] },
  { name: "busybox", program: "/bin/busybox", first: ["sh"] },
].filter(({ program }) => existsSync(program));

const RETURN_CODES: Readonly<Record<string, string>> = {
  true: "0",
  "exit 1": "1",
  "exit 126": "126",
  "exit 128": "128",
  "exit 129": "129",
  "exit 137": "137",
  "exit 139": "139",
  "exit 143": "143",
  "exit 255": "255",
  "no-such-command-anywhere": "127",
  "-x": "127",
  "kill -1 $$": "-1",
  "kill -3 $$": "-3",
  "kill -6 $$": "-6",
  "kill -9 $$": "-9",
  "kill -10 $$": "-10",
  "kill -11 $$": "-11",
  "kill -14 $$": "-14",
  "kill -15 $$": "-15",
  "kill -34 $$": "-34",
  "kill -64 $$": "-64",
  "ulimit -c unlimited 2>/dev/null; kill -11 $$": "-11",
  // The shell that runs the list ended by itself, with what it made of the signal.
  "true && sh -c 'kill -9 $$'": "137",
  // Shells do not say whether these two were signals, so they count as exit statuses.
  "kill -2 $$": "130",
  "kill -13 $$": "141",
};

/** Commands that are run without a shell of their own. */
const PLAIN = [
  "true",
  "false",
  " echo two  words ",
  "exit 7",
  "cd /",
  "pwd",
  "test -e some.txt",
  "printf %s a=b",
  "printenv PATH PWD",
  "ls -x /proc/self/fd",
  "grep -e SigIgn -e SigBlk -e SigCgt /proc/self/status",
  "no-such-command-anywhere",
  "./with_shebang 1 2",
  "./without_shebang 1 2",
  "/",
];

/** Not one of them. */
const NOT_PLAIN = [
  "a=b",
  "echo $HOME",
  "echo a;true",
  "echo a\ntrue",
  "echo *",
  "echo ~",
  "echo 'a'",
  "if",
  ". ./x",
  "wait",
  "",
];

function world(shell: (typeof SHELLS)[number]) {
  const dir = tempDir();
  const job = join(dir.path, "job");
  mkdirSync(job);
  const record = join(dir.path, "record");
  const files = () =>
    ["stdout.txt", "stderr.txt", "returncode"].map((name) =>
      existsSync(join(job, name)) ? readFileSync(join(job, name), "utf8") : undefined,
    );
  return {
    job,
    record,
    files,
    run: (command: string) =>
      spawnSync(shell.program, [...shell.first, ...runArguments(record, "{}", command, undefined, undefined, [])], {
        cwd: job,
        stdio: "ignore",
        env: { PATH: process.env.PATH ?? "" },
      }),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

test("only plain commands are run without a shell of their own", () => {
  const isPlain = (command: string) =>
    runArguments("r", "{}", command, undefined, undefined, []).includes(RUN_PLAIN_SCRIPT);
  expect(PLAIN.filter((command) => !isPlain(command))).toEqual([]);
  expect(NOT_PLAIN.filter(isPlain)).toEqual([]);
});

for (const shell of SHELLS) {
  describe(`the script in ${shell.name}`, () => {
    test.each(Object.entries(RETURN_CODES))("keeps the status of %p as %p", (command, returnCode) => {
      using here = world(shell);
      expect(here.run(command).status).toBe(returnCode === "0" ? 0 : 1);
      expect(here.files()[2]).toBe(returnCode);
      expect(readFileSync(here.record, "utf8").trimEnd().split("\n").at(-1)).toBe(`{"returnCode":${returnCode}}`);
    });

    test("keeps its own words out of stdout.txt and stderr.txt", () => {
      using here = world(shell);
      here.run("kill -9 $$");
      expect(here.files()).toEqual(["", "", "-9"]);
    });

    test("does nothing when the attempt has a record", () => {
      using here = world(shell);
      writeFileSync(here.record, "4711 {}\n");
      expect(here.run("touch ran").status).not.toBe(0);
      expect(readFileSync(here.record, "utf8")).toBe("4711 {}\n");
      expect(here.files()).toEqual([undefined, undefined, undefined]);
      expect(existsSync(join(here.job, "ran"))).toBe(false);
    });

    test("replaces links, directories and pipes of its three names, and follows none", () => {
      using here = world(shell);
      const foreign = join(here.record, "..", "foreign");
      writeFileSync(foreign, "precious");
      symlinkSync(foreign, join(here.job, "stdout.txt"));
      symlinkSync("nowhere", join(here.job, "returncode"));
      mkdirSync(join(here.job, "stderr.txt"));
      expect(here.run("echo out; rm -f returncode; mkfifo returncode").status).toBe(0);
      expect(here.files()).toEqual(["out\n", "", "0"]);
      expect(readFileSync(foreign, "utf8")).toBe("precious");
    });

    test("says in the record why a command could not leave its return code", () => {
      using here = world(shell);
      expect(here.run("cd .. && rm -r job").status).not.toBe(0);
      expect(readFileSync(here.record, "utf8")).toContain("returncode");
      expect(readFileSync(here.record, "utf8")).not.toContain("returnCode");
    });

    test.each(PLAIN)("a plain command does the same as in a shell of its own: %p", (command) => {
      const results = ["", "\t"].map((end) => {
        using here = world(shell);
        for (const [name, text] of Object.entries(SCRIPTS)) writeFileSync(join(here.job, name), text, { mode: 0o755 });
        const { status } = here.run(command + end);
        const [stdout, stderr, returnCode] = here.files();
        // But for the number of a line. Other shells have other words than the machine's.
        const words = shell.program === "/bin/sh" ? stderr?.replace(/^\S+ \d+: /, "") : undefined;
        return { status, stdout: stdout?.replaceAll(here.job, ""), words, returnCode };
      });
      expect(results[0]).toEqual(results[1]);
    });

    test("a plain command that is killed is told as such, where a shell of its own would have passed a status on", () => {
      using here = world(shell);
      writeFileSync(join(here.job, "killed"), SCRIPTS.killed, { mode: 0o755 });
      here.run("./killed");
      expect(here.files()).toEqual(["", "", "-9"]);
    });

    test("a command has the default reaction to SIGTERM and no further open files", () => {
      using here = world(shell);
      here.run("cat /proc/self/status; ls -x /proc/self/fd");
      expect(here.files()[0]).toMatch(/\nSigIgn:\t0{16}\nSigCgt:\t0{16}\n/);
      // The fourth is that of the listing itself.
      expect(here.files()[0]).toMatch(/\n0 +1 +2 +3\n$/);
    });
  });
}
