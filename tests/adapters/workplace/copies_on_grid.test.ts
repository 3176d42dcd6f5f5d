import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../adapters/clock/system_clock.ts";
import { diracPerformerFileSystem } from "../../../adapters/file_system/dirac_performer.ts";
import { workingCopies } from "../../../adapters/workplace/working_copies.ts";
import { attemptTag, jobId } from "../../../src/core/ids.ts";
import { DIRAC_NAMES, type DiracServer, sharedDiracServer } from "../../support/dirac_server.ts";
import { diracFilesWorld, proxyOf } from "../file_system/dirac_world.ts";

// Each command of DIRAC takes seconds on a busy machine.
setDefaultTimeout(600_000);

const signal = new AbortController().signal;

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
});

afterAll(async () => {
  await server.repair();
});

test("each attempt of a performer stores its output by itself: a late one disturbs no other, and leaves nothing of a job that is gone", async () => {
  await using world = await diracFilesWorld(server);
  const { fileSystem, clients, lfnRoot, logger, jobRoot } = world;
  const local = join(jobRoot, "17");
  mkdirSync(local);
  writeFileSync(join(local, "input.txt"), "input\n");
  const remote = fileSystem.locate(jobId(17), local);
  await fileSystem.upload(local, remote, signal);
  const workplace = workingCopies(
    diracPerformerFileSystem({
      lease: clients.lease({ ssh: undefined, proxy: proxyOf(server) }),
      ...{ lfnRoot, storageElement: DIRAC_NAMES.storageElement, clock: systemClock(), logger },
    }),
    join(jobRoot, "copies"),
  );
  const attempt = (number: number) => ({
    tag: attemptTag("daemon", jobId(17), number),
    job: { directory: remote, command: "true", application: "a", submitter: "s", resources: {} },
  });
  const stdout = () => readFileSync(join(local, "stdout.txt"), "utf8");
  try {
    for (const number of [1, 2]) {
      const directory = await workplace.prepare(attempt(number), signal);
      expect(readFileSync(join(directory, "input.txt"), "utf8")).toBe("input\n");
      writeFileSync(join(directory, "stdout.txt"), `attempt ${number}\n`);
    }
    await workplace.deliver(attempt(2), signal);
    await workplace.deliver(attempt(1), signal);
    // As after a crash.
    await workplace.deliver(attempt(2), signal);
    await fileSystem.download(remote, local, signal, 2);
    expect(stdout()).toBe("attempt 2\n");
    await fileSystem.download(remote, local, signal);
    expect(stdout()).toBe("attempt 1\n");

    await fileSystem.remove(remote, signal);
    const late = workplace.deliver(attempt(1), signal);
    await expect(late).rejects.toMatchObject({ retryable: false, message: expect.stringContaining("any more") });
    const stored = join(server.storageDirectory, remote);
    expect(existsSync(stored) ? readdirSync(stored) : []).toEqual([]);
  } finally {
    await workplace.close();
  }
});
