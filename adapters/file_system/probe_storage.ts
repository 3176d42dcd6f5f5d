import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { messageOf } from "../../src/core/errors.ts";
import type { ProbeFinding } from "../../src/ports/probe.ts";
import type { DiracScratch } from "../dirac/dirac_scratch.ts";
import type { DiracStorage } from "./dirac_storage.ts";

export interface ProbeStorageOptions {
  readonly storage: DiracStorage;
  readonly scratch: DiracScratch;
  /** Grid directory of the jobs. */
  readonly directory: string;
  readonly storageElement: string;
}

const FILE = "probe.txt";

/** Sends a small file to grid storage, fetches it and removes it. Does not throw; what fails is a finding. */
export async function probeStorage(
  { storage, scratch, directory, storageElement }: ProbeStorageOptions,
  signal: AbortSignal,
): Promise<ProbeFinding> {
  const id = randomUUID();
  const place = posix.join(directory, `bartender-probe-${id}`);
  const lfn = posix.join(place, FILE);
  const text = `Bartender was here to see whether files arrive: ${id}\n`;
  try {
    const found = await scratch.within(signal, async (sent) => {
      const path = await sent.write(FILE, text, signal);
      await storage.put(lfn, { path, size: text.length, guid: id.toUpperCase() }, false, signal);
      try {
        return await scratch.within(signal, async (fetched) => {
          await storage.get(lfn, fetched.path, signal);
          return await fetched.read(FILE, signal);
        });
      } finally {
        await storage.clean(place, signal);
      }
    });
    return found === text
      ? { isOk: true, text: `A file came back whole from ${directory} on ${storageElement}` }
      : { isOk: false, text: `A file in ${directory} on ${storageElement} did not come back as it was sent` };
  } catch (error) {
    return { isOk: false, text: messageOf(error) };
  }
}
