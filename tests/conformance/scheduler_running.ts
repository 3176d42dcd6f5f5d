import { expect } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { freshTag, jobIn, run, type Says, type SchedulerTraits, signal, untilEnded } from "./scheduler_world.ts";

/** What a command meets and what it leaves. */
export function runsCommands(says: Says, traits: SchedulerTraits): void {
  says("has room for at least one job", async ({ scheduler }) => {
    expect(scheduler.capacity).toBeGreaterThanOrEqual(1);
  });

  says("a command leaves stdout.txt, stderr.txt and returncode in its directory", async (world) => {
    const { directory, outcome, returnCode } = await run(world, "echo out; echo err >&2");
    expect(outcome).toMatchObject({ isOk: true, returnCode: 0, reason: null });
    expect(await world.read(directory, "stdout.txt")).toBe("out\n");
    expect(await world.read(directory, "stderr.txt")).toBe("err\n");
    expect(returnCode).toBe("0");
  });

  says(
    "stdout.txt and stderr.txt are there, empty or filled, while the command runs; returncode is not",
    async (world) => {
      const directory = await world.makeDirectory();
      const command = "echo early; until [ -e go ]; do sleep 0.02; done";
      const id = await world.scheduler.submit(jobIn(directory, command), freshTag(), signal);
      await eventually(
        "the first line",
        async () => (await world.read(directory, "stdout.txt")) === "early\n",
        traits.startsWithinMs,
      );
      expect(await world.read(directory, "stderr.txt")).toBe("");
      expect(await world.read(directory, "returncode")).toBeUndefined();
      await world.write(directory, "go", "");
      expect((await untilEnded(world.scheduler, id)).isOk).toBe(true);
    },
  );

  for (const status of [1, 2, 127, 137, 143, 255]) {
    says(`a command that exits with ${status} is not ok and leaves that number`, async (world) => {
      const { outcome, returnCode } = await run(world, `exit ${status}`);
      expect(outcome).toMatchObject({ isOk: false, returnCode: status, reason: null });
      expect(returnCode).toBe(String(status));
    });
  }

  for (const number of [9, 15, 11, 6, 1]) {
    says(`a command that is ended by signal ${number} leaves the negative number`, async (world) => {
      const { outcome, returnCode } = await run(world, `kill -${number} $$`);
      expect(outcome).toMatchObject({ isOk: false, returnCode: -number });
      expect(outcome.reason).toContain(`signal ${number}`);
      expect(returnCode).toBe(String(-number));
    });
  }

  says("a command that does not exist leaves 127 and a word in stderr.txt", async (world) => {
    const { directory, outcome } = await run(world, "no-such-command-anywhere");
    expect(outcome).toMatchObject({ isOk: false, returnCode: 127, reason: null });
    expect(await world.read(directory, "stderr.txt")).toContain("not found");
  });

  says("a command may have several lines, quotes and other alphabets", async (world) => {
    const { directory } = await run(world, `x='a  b'\nfor i in 1 2; do\n  echo "$x" $i "ü\\"'"\ndone\n# the end`);
    expect(await world.read(directory, "stdout.txt")).toBe(`a  b 1 ü"'\na  b 2 ü"'\n`);
  });

  says("a command may hold the line ends of web forms", async (world) => {
    const { directory, outcome } = await run(world, "printf %s 'a\r\nb\r' | od -An -c | tr -d ' \\n'");
    expect(outcome.isOk).toBe(true);
    expect(await world.read(directory, "stdout.txt")).toBe("a\\r\\nb\\r");
  });

  says("a command of 200,000 characters runs whole", async (world) => {
    const { directory, outcome } = await run(world, `: ${"x".repeat(200_000)}\necho end`);
    expect(outcome.isOk).toBe(true);
    expect(await world.read(directory, "stdout.txt")).toBe("end\n");
  });

  says("a command that reads standard input meets its end at once", async (world) => {
    const { directory, outcome } = await run(world, "cat; echo read");
    expect(outcome.isOk).toBe(true);
    expect(await world.read(directory, "stdout.txt")).toBe("read\n");
  });

  says("a command runs in its directory, whatever that is called", async (world) => {
    const directory = await world.makeDirectory();
    await world.write(directory, 'it\'s a "file"', "here");
    const id = await world.scheduler.submit(jobIn(directory, `cat "it's a \\"file\\""; pwd`), freshTag(), signal);
    expect((await untilEnded(world.scheduler, id)).isOk).toBe(true);
    expect(await world.read(directory, "stdout.txt")).toBe(`here${directory}\n`);
  });

  says("files of an earlier attempt are overwritten", async (world) => {
    const directory = await world.makeDirectory();
    for (const file of ["stdout.txt", "stderr.txt", "returncode"]) {
      await world.write(directory, file, "a long text of an earlier attempt");
    }
    const id = await world.scheduler.submit(jobIn(directory, "echo new"), freshTag(), signal);
    expect((await untilEnded(world.scheduler, id)).isOk).toBe(true);
    expect(await world.read(directory, "stdout.txt")).toBe("new\n");
    expect(await world.read(directory, "stderr.txt")).toBe("");
    expect(await world.read(directory, "returncode")).toBe("0");
  });
}
