import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { TransferError } from "../../../src/core/errors.ts";
import { jobId } from "../../../src/core/ids.ts";
import { DIRAC_NAMES, type DiracServer, sharedDiracServer } from "../../support/dirac_server.ts";
import { type DiracFilesOptions, type DiracFilesWorld, diracFilesWorld, stored } from "./dirac_world.ts";

// Each command of DIRAC takes seconds on a busy machine.
setDefaultTimeout(600_000);

let server: DiracServer;

beforeAll(async () => {
  server = await sharedDiracServer();
});

afterEach(async () => {
  await server.repair();
});

afterAll(async () => {
  await server.repair();
});

const signal = new AbortController().signal;

/** A job with some input, its directory here and on the grid. */
async function setup(options: DiracFilesOptions = {}) {
  const world = await diracFilesWorld(server, options);
  const local = join(world.jobRoot, "17");
  mkdirSync(local);
  writeFileSync(join(local, "input.txt"), "input\n");
  const remote = world.fileSystem.locate(jobId(17), local);
  const onStorage = (name: string): string => join(server.storageDirectory, remote, name);
  return {
    world,
    files: world.fileSystem,
    local,
    remote,
    onStorage,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

async function faultOf(work: Promise<void>): Promise<TransferError> {
  const error = await work.then(
    () => new Error("It did not fail"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof TransferError) return error;
  throw error;
}

/** What is left on this machine where files were on their way. */
function leftovers({ incomingDir, stateDir }: DiracFilesWorld): readonly string[] {
  const places = [incomingDir, join(stateDir, "scratch")];
  return places.flatMap((place) => (existsSync(place) ? readdirSync(place) : []));
}

describe("an upload to the grid", () => {
  test("may be repeated: what is stored is known again, and not sent twice", async () => {
    await using t = await setup();
    await t.files.upload(t.local, t.remote, signal);
    const before = statSync(t.onStorage("input.tar"));
    await t.files.upload(t.local, t.remote, signal);
    const { ino, mtimeMs } = statSync(t.onStorage("input.tar"));
    expect([ino, mtimeMs]).toEqual([before.ino, before.mtimeMs]);
    expect(leftovers(t.world)).toEqual([]);
  });

  test("is made good when the storage has a file that never got into the catalogue", async () => {
    await using t = await setup();
    mkdirSync(join(server.storageDirectory, t.remote), { recursive: true });
    writeFileSync(t.onStorage("input.tar"), "half of a");
    await t.files.upload(t.local, t.remote, signal);
    expect(await t.world.readRemote(t.remote, "input.txt")).toBe("input\n");
  });

  test("is made good when the catalogue has the name, but no replica of it", async () => {
    await using t = await setup();
    await t.files.upload(t.local, t.remote, signal);
    // What two uploads leave that make the same directory at once, or a catalogue that is killed.
    server.sql(
      `use FileCatalogDB; delete from FC_Replicas where FileID in (select FileID from FC_Files join FC_DirectoryLevelTree
       using (DirID) where DirName = '${t.remote}')`,
    );
    expect((await server.command("dirac-dms-lfn-replicas", `${t.remote}/input.tar`)).stdout).toContain("No replicas");
    await t.files.upload(t.local, t.remote, signal);
    expect(await t.world.readRemote(t.remote, "input.txt")).toBe("input\n");
  });

  test("replaces an archive of this installation that has another content", async () => {
    await using t = await setup();
    await t.files.upload(t.local, t.remote, signal);
    writeFileSync(join(t.local, "more.txt"), "more\n");
    await t.files.upload(t.local, t.remote, signal);
    expect(await t.world.readRemote(t.remote, "more.txt")).toBe("more\n");
  });

  test("leaves a file of somebody else alone, and says what to do", async () => {
    await using t = await setup();
    const foreign = join(t.world.jobRoot, "foreign");
    writeFileSync(foreign, "precious");
    await stored(server, `${t.remote}/input.tar`, foreign);
    const error = await faultOf(t.files.upload(t.local, t.remote, signal));
    expect(error).toMatchObject({ retryable: false });
    expect(error.message).toContain("is not of this Bartender: remove it, or use another lfn_root");
    expect(readFileSync(t.onStorage("input.tar"), "utf8")).toBe("precious");
  });

  test("has a GUID of its own for each job, as catalogues may refuse equal ones", async () => {
    await using t = await setup();
    await using other = await setup();
    writeFileSync(join(other.local, "input.txt"), "input\n");
    for (const { local } of [t, other]) {
      utimesSync(join(local, "input.txt"), 1, 1);
      utimesSync(local, 1, 1);
    }
    await t.files.upload(t.local, t.remote, signal);
    await other.files.upload(other.local, other.remote, signal);
    expect(readFileSync(t.onStorage("input.tar")).equals(readFileSync(other.onStorage("input.tar")))).toBe(true);
    const guids = await Promise.all([t, other].map(({ remote }) => guidOnServer(`${remote}/input.tar`)));
    expect(new Set(guids).size).toBe(2);
  });
});

async function guidOnServer(lfn: string): Promise<string> {
  const { stdout } = await server.command("dirac-dms-catalog-metadata", lfn);
  const [guid] = /[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}/.exec(stdout) ?? [];
  return guid ?? expect.unreachable(stdout);
}

describe("a download from the grid", () => {
  test("may be repeated, and leaves nothing on its way", async () => {
    await using t = await setup();
    await t.files.upload(t.local, t.remote, signal);
    await t.world.writeRemote(t.remote, "out/result.txt", "42\n");
    await t.files.download(t.remote, t.local, signal);
    await t.files.download(t.remote, t.local, signal);
    expect(readFileSync(join(t.local, "out/result.txt"), "utf8")).toBe("42\n");
    expect(readFileSync(join(t.local, "input.txt"), "utf8")).toBe("input\n");
    expect(leftovers(t.world)).toEqual([]);
  });

  test("of a job that left none gives its logs, and no fault, when the scheduler saved them", async () => {
    await using t = await setup();
    await t.files.upload(t.local, t.remote, signal);
    const without = await faultOf(t.files.download(t.remote, t.local, signal));
    expect(without.message).toBe(`The job left no output.tar in ${t.remote}`);
    expect(without.retryable).toBe(false);
    await t.world.clients.logs.keep(t.remote, new Map([["stderr.txt", "out of memory\n"]]));
    await t.files.download(t.remote, t.local, signal);
    expect(readFileSync(join(t.local, "stderr.txt"), "utf8")).toBe("out of memory\n");
    await t.files.remove(t.remote, signal);
    expect(readdirSync(join(t.world.stateDir, "logs"))).toEqual([]);
  });

  test("of what no honest job packs is refused, and nothing of it is kept", async () => {
    await using t = await setup();
    const archive = join(t.world.jobRoot, "evil.tar");
    symlinkSync("/etc", join(t.world.jobRoot, "link"));
    writeFileSync(join(t.world.jobRoot, "escaped"), "x");
    execFileSync("tar", ["-cPf", archive, "-C", t.local, "../escaped"]);
    await stored(server, `${t.remote}/output.tar`, archive);
    const error = await faultOf(t.files.download(t.remote, t.local, signal));
    expect(error).toMatchObject({ retryable: false });
    expect(error.message).toContain('has the name "../escaped"');
    expect(readdirSync(t.local)).toEqual(["input.txt"]);
    expect(leftovers(t.world)).toEqual([]);
  });
});

describe("while the grid", () => {
  test("has its storage away, nothing is lost, the reason is told, and all goes on when it is back", async () => {
    await using t = await setup();
    await t.files.upload(t.local, t.remote, signal);
    await t.world.writeRemote(t.remote, "result.txt", "42\n");
    await server.services.storage.stop();
    const other = t.files.locate(jobId(18), t.local);
    const faults = await Promise.all([
      faultOf(t.files.upload(t.local, other, signal)),
      faultOf(t.files.download(t.remote, join(t.local, "."), signal)),
    ]);
    faults.push(await faultOf(t.files.remove(t.remote, signal)));
    for (const { retryable, message } of faults) {
      expect(retryable).toBe(true);
      expect(message).toContain("Connection refused");
      expect(message).not.toContain("CallStack");
    }
    expect(leftovers(t.world)).toEqual([]);
    await server.services.storage.start();
    await t.files.upload(t.local, other, signal);
    await t.files.download(t.remote, t.local, signal);
    expect(readFileSync(join(t.local, "result.txt"), "utf8")).toBe("42\n");
    await t.files.remove(t.remote, signal);
    expect(existsSync(t.onStorage("output.tar"))).toBe(false);
  });

  test("is full, uploads fail with that reason and may be tried again", async () => {
    await using t = await setup();
    await server.services.storage.stop();
    await server.services.storage.start(
      "/Systems/DataManagement/Production/Services/StorageElementOne/MaxStorageSize=1",
    );
    const error = await faultOf(t.files.upload(t.local, t.remote, signal));
    expect(error).toMatchObject({ retryable: true });
    expect(error.message).toContain(`The storage element ${DIRAC_NAMES.storageElement} is full`);
    await server.services.storage.stop();
    await server.services.storage.start();
    await t.files.upload(t.local, t.remote, signal);
  });

  test("lets nobody write there, that is told and not tried again", async () => {
    await using t = await setup({ lfnRoot: "/otherVO/user/c/ciuser/jobs" });
    const security = "/Systems/DataManagement/Production/Services/FileCatalog/SecurityManager=DirectorySecurityManager";
    await server.services.catalog.stop();
    await server.services.catalog.start(security);
    const error = await faultOf(t.files.upload(t.local, t.remote, signal));
    await server.services.catalog.stop();
    expect(error).toMatchObject({ retryable: false });
    expect(error.message).toContain("may not write there: correct lfn_root or proxy.group");
  });

  test("has its catalogue away, no file counts as absent", async () => {
    await using t = await setup();
    await server.services.catalog.stop();
    const faults = await Promise.all([
      faultOf(t.files.upload(t.local, t.remote, signal)),
      faultOf(t.files.download(t.remote, t.local, signal)),
      faultOf(t.files.remove(t.remote, signal)),
    ]);
    expect(faults.map(({ retryable }) => retryable)).toEqual([true, true, true]);
  });

  test("has lost a file that its catalogue knows, the output does not count as absent", async () => {
    await using t = await setup();
    await t.world.writeRemote(t.remote, "result.txt", "42\n");
    execFileSync("rm", [t.onStorage("output.tar")]);
    expect(await faultOf(t.files.download(t.remote, t.local, signal))).toMatchObject({ retryable: true });
  });

  test("has no proxy to look at, transfers fail with that reason and may be tried again", async () => {
    await using t = await setup({ proxy: { file: "/nonexistent/proxy" } });
    const error = await faultOf(t.files.upload(t.local, t.remote, signal));
    expect(error).toMatchObject({ retryable: true });
    expect(error.message).toContain("There is no DIRAC proxy in /nonexistent/proxy");
  });
});

test("a storage element that does not exist is named", async () => {
  await using t = await setup({ storageElement: "NoSuchElement" });
  const error = await faultOf(t.files.upload(t.local, t.remote, signal));
  expect(error.message).toContain("The storage element NoSuchElement is away or does not exist");
});

test("what a daemon that was killed left where files are on their way goes with the job", async () => {
  await using t = await setup();
  mkdirSync(join(t.world.incomingDir, "17"), { recursive: true });
  writeFileSync(join(t.world.incomingDir, "17", "input.tar"), "half");
  await t.files.remove(t.remote, signal);
  expect(leftovers(t.world)).toEqual([]);
});

describe("the probe of an administrator", () => {
  test("sends a file and fetches it, and leaves nothing behind", async () => {
    await using t = await setup();
    expect(await t.files.probe?.(signal)).toEqual({
      isOk: true,
      text: `A file came back whole from ${t.world.lfnRoot} on ${DIRAC_NAMES.storageElement}`,
    });
    const left = execFileSync("find", [server.storageDirectory, "-path", `*${t.world.lfnRoot}*`, "-type", "f"]);
    expect(left.toString()).toBe("");
  });

  test("says what is wrong", async () => {
    await using t = await setup({ storageElement: "NoSuchElement" });
    const finding = await t.files.probe?.(signal);
    expect(finding?.isOk).toBe(false);
    expect(finding?.text).toContain("NoSuchElement");
  });
});
