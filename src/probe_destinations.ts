import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, mkdtemp, rm, statfs, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { localCommandRunner } from "../adapters/command_runner/local.ts";
import { probeSandbox } from "../adapters/scheduler/sandbox.ts";
import { buildDestinations } from "./assembly.ts";
import type { ConfigProbe } from "./cli/check_config.ts";
import type { DaemonInput } from "./cli/serve.ts";
import { messageOf } from "./core/errors.ts";
import { jobId, MAX_JOB_ID } from "./core/ids.ts";
import { span } from "./core/job_explanation.ts";
import { type ClientFindings, followClientFiles } from "./follow_client_files.ts";
import type { Credential } from "./ports/credential.ts";
import type { FileSystem } from "./ports/file_system.ts";
import type { ProbeFinding } from "./ports/probe.ts";

/** No job gets this far, and a directory that is named like one may be used. */
const PROBE_JOB = jobId(MAX_JOB_ID);

const HERE: ReadonlySet<string> = new Set(["memory", "eager"]);

const PROBE_FILE = "probe.txt";

/** Before this a destination that does not answer is given up. */
const PATIENCE_MS = 120_000;

/**
 * Tries what jobs will need at each destination: log-in, commands, a writable directory and the round trip of a file;
 * and the sandboxes of interactive applications.
 * Submits nothing and leaves nothing behind.
 */
export async function* probeDestinations(
  input: Pick<DaemonInput, "config" | "clock" | "logger" | "random" | "variables">,
): AsyncGenerator<ConfigProbe, void, undefined> {
  const { clock, logger, variables } = input;
  const runner = localCommandRunner({ clock, logger });
  const { config, findings: clients } = await followClientFiles(input.config, { runner, variables });
  const isFaulty = (name: string): boolean => (clients.get(name)?.faults ?? []).length > 0;
  // Schedulers of this machine make their directories when they are built; only a sandbox is left to be tried.
  const elsewhere = new Map(
    [...config.destinations].filter(([name, { scheduler }]) => !HERE.has(scheduler.type) && !isFaulty(name)),
  );
  const { destinations, commands, close } = await buildDestinations({
    ...input,
    config: { ...config, destinations: elsewhere },
  });
  const abort = new AbortController();
  const stop = clock.after(PATIENCE_MS, () => abort.abort(new Error("It does not answer")));
  try {
    for (const [name, { scheduler }] of config.destinations) {
      const said = clientFindings(clients.get(name));
      if (isFaulty(name)) {
        yield { subject: name, findings: said };
        continue;
      }
      const destination = destinations.get(name);
      const credentials: ProbeFinding[] = [];
      const needed = Object.values(destination?.credentials ?? {}).flat();
      for (const credential of new Set(needed)) credentials.push(await usableCredential(credential, abort.signal));
      const files =
        destination?.fileSystem.isStaged === true
          ? await (destination.fileSystem.probe?.(abort.signal) ?? roundTrip(destination.fileSystem, abort.signal))
          : await usable(config.jobRootDir, abort.signal);
      const sandbox = "sandbox" in scheduler && HERE.has(scheduler.type) ? scheduler.sandbox : undefined;
      const jobs =
        sandbox === undefined
          ? ((await destination?.scheduler.probe?.(abort.signal)) ?? [])
          : [await probeSandbox(sandbox, runner, commands, abort.signal)];
      yield { subject: name, findings: [...said, ...credentials, files, ...jobs] };
    }
    for (const { name, sandbox } of config.interactiveApplications.values()) {
      if (sandbox.length === 0) continue;
      const finding = await probeSandbox(sandbox, runner, commands, abort.signal);
      yield { subject: `interactive application ${name}`, findings: [finding] };
    }
  } finally {
    stop();
    await close();
  }
}

/** What client files of OpenSSH have to do with a destination. */
function clientFindings(client: ClientFindings | undefined): readonly ProbeFinding[] {
  const { followed, warnings, faults } = client ?? { followed: [], warnings: [], faults: [] };
  return [
    ...[...followed, ...warnings].map((text) => ({ isOk: true, text })),
    ...faults.map((text) => ({ isOk: false, text })),
  ];
}

/** One that is not there is made, as the daemon would do it. */
async function usableCredential(credential: Credential, signal: AbortSignal): Promise<ProbeFinding> {
  const { name, minLifeS } = credential;
  try {
    if ((await credential.check(signal)).leftS <= minLifeS) await credential.make(signal);
    const { leftS, reason } = await credential.check(signal);
    return leftS > 0
      ? { isOk: true, text: `The ${name} can be used for ${span(leftS * 1000)}` }
      : { isOk: false, text: reason };
  } catch (error) {
    return { isOk: false, text: messageOf(error) };
  }
}

async function roundTrip(fileSystem: FileSystem, signal: AbortSignal): Promise<ProbeFinding> {
  const local = await mkdtemp(join(tmpdir(), "bartender-probe-"));
  try {
    const text = "Bartender was here to see whether files arrive.\n";
    await writeFile(join(local, PROBE_FILE), text);
    // A copy that was kept must count as the same one the next time.
    await utimes(join(local, PROBE_FILE), 0, 0);
    const remote = fileSystem.locate(PROBE_JOB, local);
    await fileSystem.upload(local, remote, signal);
    const part = await fileSystem.readFrom?.(remote, PROBE_FILE, 0, text.length * 2, signal);
    await fileSystem.remove(remote, signal);
    return part !== undefined && Buffer.from(part.bytes).toString() === text
      ? { isOk: true, text: `A file came back whole from ${dirname(remote)}` }
      : { isOk: false, text: `A file in ${dirname(remote)} did not come back as it was sent` };
  } catch (error) {
    return { isOk: false, text: messageOf(error) };
  } finally {
    await rm(local, { recursive: true, force: true });
  }
}

/** What is not there yet is made at the first start, so that the directory above it counts. */
async function usable(jobRootDir: string, signal: AbortSignal): Promise<ProbeFinding> {
  for (let directory = jobRootDir; ; directory = dirname(directory)) {
    signal.throwIfAborted();
    try {
      await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") continue;
      return { isOk: false, text: `The job root ${jobRootDir} cannot be used: ${messageOf(error)}` };
    }
    const probe = join(directory, `.bartender-probe-${randomUUID()}`);
    try {
      await mkdir(probe);
      const { bavail, bsize } = await statfs(directory);
      const free = `${Math.floor((bavail * bsize) / 1e9)} GB are free`;
      return { isOk: true, text: `The job root ${jobRootDir} can be written, ${free}` };
    } catch (error) {
      return { isOk: false, text: `The job root ${jobRootDir} cannot be written: ${messageOf(error)}` };
    } finally {
      await rm(probe, { recursive: true, force: true });
    }
  }
}
