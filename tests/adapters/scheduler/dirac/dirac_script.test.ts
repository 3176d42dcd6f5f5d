import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { diracScript, SANDBOX } from "../../../../adapters/scheduler/dirac/dirac_script.ts";
import { shellQuote } from "../../../../src/core/shell_quote.ts";
import { randomOf } from "../../../support/seeded_random.ts";
import { JOB, SHELLS, scriptWorld, TAG } from "./script_world.ts";

describe.each(SHELLS)("the script of a DIRAC job, run by $name", (shell) => {
  test("sends back logs, return code and what the command made, and nothing that it was given", () => {
    using world = scriptWorld();
    writeFileSync(join(world.input, "given.txt"), "given\n");
    const { status, record, stdout, stderr } = world.run(
      "cat given.txt; echo err >&2; mkdir -p made/empty; echo x >made/x; printenv IN_CONTAINER; true",
      { shell },
    );
    expect([...(world.output() ?? [])].toSorted()).toEqual([
      ["made", undefined],
      ["made/empty", undefined],
      ["made/x", "x\n"],
      ["returncode", "0"],
      ["stderr.txt", "err\n"],
      ["stdout.txt", "given\n"],
    ]);
    expect(record).toEqual({ tag: TAG, returnCode: 0, claimedBy: undefined, isStored: true, problem: undefined });
    expect(readFileSync(join(world.grid, "uploads"), "utf8")).toBe(`${JOB}/${TAG} SE\n${JOB}/output.tar SE\n`);
    expect(stdout).toBe(`Bartender: ${TAG} runs in ${JOB}\ngiven\n\n`);
    expect(stderr).toBe("err\n\n");
    expect(status).toBe(0);
  });

  test.each([
    ["exit 3", "3", 3],
    ["kill -9 $$", "-9", 137],
    ["kill -15 $$", "-15", 143],
    ["exit 137", "137", 137],
    ["no-such-command", "127", 127],
    // DIRAC would run a job again that ends with this status.
    ["exit 222", "222", 1],
  ])("a command that ends with %p leaves %s and its output, and the script ends with %i", (command, code, expected) => {
    using world = scriptWorld();
    const { status, record } = world.run(`echo said; ${command}`, { shell });
    const output = world.output();
    expect(output?.get("returncode")).toBe(code);
    expect(output?.get("stdout.txt")).toBe("said\n");
    expect(record).toMatchObject({ returnCode: Number(code), isStored: true });
    expect(status).toBe(expected);
  });

  test("a command of several lines, quotes, the line ends of web forms and other alphabets arrives whole", () => {
    using world = scriptWorld();
    world.run("x='a  b'\nfor i in 1 2; do\n  printf '%s\\n' \"$x\" $i 'ü\"\\r\r'\ndone\n# the end", { shell });
    expect(world.output()?.get("stdout.txt")).toBe('a  b\n1\nü"\\r\r\na  b\n2\nü"\\r\r\n');
  });

  test("a command of 200,000 characters runs whole, in a container, too", () => {
    for (const apptainerImage of [undefined, "/cvmfs/an image.sif"]) {
      using world = scriptWorld();
      world.run(`: ${"x".repeat(200_000)}\necho end \${IN_CONTAINER-outside}`, { shell, apptainerImage });
      expect([...(world.output() ?? [])].toSorted()).toEqual([
        ["returncode", "0"],
        ["stderr.txt", ""],
        ["stdout.txt", apptainerImage === undefined ? "end outside\n" : "end yes\n"],
      ]);
    }
  });

  test("the whole command runs in the container", () => {
    using world = scriptWorld();
    const command = 'echo "$IN_CONTAINER" && echo "it\'s $IN_CONTAINER"; exit 5';
    const { record } = world.run(command, { shell, apptainerImage: "/cvmfs/it's.sif" });
    expect(world.output()?.get("stdout.txt")).toBe("yes\nit's yes\n");
    expect(readFileSync(join(world.grid, "images"), "utf8")).toBe("/cvmfs/it's.sif\n");
    expect(record?.returnCode).toBe(5);
  });

  test("the end of a command that DIRAC kills with its script leaves its logs so far", () => {
    using world = scriptWorld();
    const { status, record, sandbox } = world.run("echo early; echo mute >&2; kill -9 $PPID; exit 0", { shell });
    expect(status).toBeNull();
    expect(record).toMatchObject({ tag: TAG, returnCode: undefined, isStored: false });
    expect(sandbox(SANDBOX.stdout)).toBe("early\n");
    expect(sandbox(SANDBOX.stderr)).toBe("mute\n");
    expect(world.output()).toBeUndefined();
  });

  test("changed inputs come back by content, whatever their names are", () => {
    using world = scriptWorld();
    const names = ["plain", "with blank", "back\\slash", "new\nline", "-dash", "it's", "ü", "a\\nb", " "];
    for (const name of names) {
      for (const kind of ["same", "changed", "touched"]) writeFileSync(join(world.input, `${name}.${kind}`), kind);
    }
    writeFileSync(join(world.input, "gone"), "");
    world.run(
      'for f in ./*.changed ./.*.changed; do [ ! -f "$f" ] || echo more >>"$f"; done; touch ./*.touched; ' +
        'for f in ./*.same; do cp "$f" "$f.new"; done; rm gone; ln -s plain.same link; ln -s /dev/null out',
      { shell },
    );
    const expected = [
      ...names.flatMap((name) => [`${name}.changed`, `${name}.same.new`]),
      ...["link", "out", "returncode", "stdout.txt", "stderr.txt"],
    ];
    const output = world.output();
    expect([...(output?.keys() ?? [])].toSorted()).toEqual(expected.toSorted());
    for (const name of names) expect(output?.get(`${name}.changed`)).toBe("changedmore\n");
  });
});

describe("the script of a DIRAC job", () => {
  test("begins with its interpreter in the first column", () => {
    const common = { directory: JOB, tag: TAG, storageElement: "SE", apptainerImage: undefined } as const;
    expect(diracScript({ ...common, command: "true", output: "output.tar", retryS: 1 })).toStartWith("#!/bin/sh\n");
  });

  test("runs the command of an attempt once: a second job ends without it, and names the first", () => {
    using world = scriptWorld();
    world.run('echo once >>"$GRID/ledger"', { job: 41 });
    const second = world.run('echo twice >>"$GRID/ledger"', { job: 42 });
    expect(second.record).toMatchObject({ claimedBy: 41, returnCode: undefined, isStored: false });
    expect(second.status).toBe(4);
    const again = world.run('echo thrice >>"$GRID/ledger"', { job: 41 });
    expect(again.record).toMatchObject({ claimedBy: 41, returnCode: undefined });
    expect(readFileSync(join(world.grid, "ledger"), "utf8")).toBe("once\n");
    expect(world.output()?.get("returncode")).toBe("0");
  });

  test("each attempt runs, and stores its output under a name of its own", () => {
    using world = scriptWorld();
    const kept = ["returncode", "stderr.txt", "stdout.txt"];
    world.run("echo second >other", { tag: "bartender-abc-7-2", output: "output-2.tar" });
    // The first one was believed dead and comes late.
    world.run("echo first >made");
    expect([...(world.output("output-2.tar")?.keys() ?? [])].toSorted()).toEqual(["other", ...kept]);
    expect([...(world.output()?.keys() ?? [])].toSorted()).toEqual(["made", ...kept]);
  });

  test("a claim whose answer was lost is known again, and the command runs", () => {
    using world = scriptWorld();
    writeFileSync(join(world.grid, "lose"), "1");
    const { status, record } = world.run("echo ran");
    expect(record).toMatchObject({ claimedBy: undefined, returnCode: 0, isStored: true });
    expect(status).toBe(0);
  });

  test("storage that fails for a while is tried again", () => {
    using world = scriptWorld();
    writeFileSync(join(world.grid, "fail"), "6");
    const { status, record } = world.run('echo 6 >"$GRID/fail"; echo kept');
    expect(world.output()?.get("stdout.txt")).toBe("kept\n");
    expect(record).toMatchObject({ isStored: true, problem: undefined });
    expect(status).toBe(0);
  });

  test("output that cannot be stored makes the job fail, says so, and leaves the end of its logs", () => {
    using world = scriptWorld();
    const { status, record, sandbox, stdout } = world.run(
      'echo 99 >"$GRID/fail"; head -c 3000000 /dev/zero | tr "\\0" x; echo; echo last; echo err >&2',
    );
    expect(status).toBe(3);
    expect(record).toEqual({
      tag: TAG,
      returnCode: 0,
      claimedBy: undefined,
      isStored: false,
      problem: "the output could not be stored on grid storage",
    });
    expect(sandbox(SANDBOX.stdout)?.length).toBe(1_000_000);
    expect(sandbox(SANDBOX.stdout)).toEndWith("x\nlast\n");
    expect(sandbox(SANDBOX.stderr)).toBe("err\n");
    expect(stdout.length).toBeLessThan(101_000);
    expect(stdout).toContain("Error: failed to upload");
  });

  test("an attempt that cannot be claimed does not run", () => {
    using world = scriptWorld();
    writeFileSync(join(world.grid, "fail"), "99");
    const { status, record } = world.run('echo ran >"$GRID/ledger"');
    expect(status).toBe(3);
    expect(record).toMatchObject({
      returnCode: undefined,
      problem: "the attempt could not be claimed on grid storage",
    });
    expect(existsSync(join(world.grid, "ledger"))).toBe(false);
  });

  test("logs that were uploaded under the names of ours are replaced, and always come back", () => {
    using world = scriptWorld();
    for (const name of ["stdout.txt", "stderr.txt", "returncode"]) writeFileSync(join(world.input, name), "0");
    mkdirSync(join(world.input, "sub"));
    world.run("printf 0; printf 0 >&2");
    expect([...(world.output() ?? [])].toSorted()).toEqual([
      ["returncode", "0"],
      ["stderr.txt", "0"],
      ["stdout.txt", "0"],
    ]);
  });

  test("files without permissions come back", () => {
    using world = scriptWorld();
    world.run("mkdir closed; echo x >closed/x; chmod 0 closed/x closed");
    expect(world.output()?.get("closed/x")).toBe("x\n");
  });

  test("exactly the files that differ come back, of random trees and changes", () => {
    const seed = Number(process.env.BARTENDER_SEED ?? Date.now() % 1_000_000);
    const random = randomOf(seed);
    const LETTERS = ["a", "B", " ", "\\", "'", '"', "\n", "-", "*", "$x", "é", ".", "\t", "\\n"] as const;
    const name = (): string => `n${Array.from({ length: 1 + random.int(4) }, () => random.pick(LETTERS)).join("")}`;
    for (let round = 0; round < 5; round++) {
      using world = scriptWorld();
      const before = new Map<string, string>();
      for (let count = 0; count < 12; count++) {
        const directory = random.chance(0.5) ? "" : `${name()}.d/`;
        const path = `${directory}${name()}`;
        mkdirSync(join(world.input, directory), { recursive: true });
        writeFileSync(join(world.input, path), String(random.int(3)));
        utimesSync(join(world.input, path), 1, 1);
        before.set(path, readFileSync(join(world.input, path), "utf8"));
      }
      const after = new Map(before);
      const lines = [...before.keys()].flatMap((path) => {
        const place = shellQuote(path);
        const kind = random.int(4);
        if (kind === 0) return [`touch ./${place}`];
        if (kind === 1) {
          after.set(path, "changed");
          return [`printf changed >./${place}`];
        }
        if (kind === 2) {
          after.delete(path);
          return [`rm ./${place}`];
        }
        return [];
      });
      for (let count = 0; count < 4; count++) {
        const path = `${name()}.new`;
        after.set(path, "new");
        lines.push(`printf new >./${shellQuote(path)}`);
      }
      world.run(lines.join("\n"));
      const expected = [...after].filter(([path, text]) => before.get(path) !== text);
      const found = [...(world.output() ?? [])].filter(
        ([path, text]) => text !== undefined && !["stdout.txt", "stderr.txt", "returncode"].includes(path),
      );
      expect(found.toSorted(), `seed ${seed}`).toEqual(expected.toSorted());
      rmSync(world.input, { recursive: true });
    }
  });
});
