import { messageOf } from "../../../src/core/errors.ts";
import type { ProbeFinding } from "../../../src/ports/probe.ts";
import { decodePerformer } from "./queue_messages.ts";

/** Oldest version with all that is asked for. */
const OLDEST = [6, 2] as const;

/**
 * What no configuration of ours can mend.
 *
 * @param info answer to `INFO`
 */
export function describeServer(info: string): readonly ProbeFinding[] {
  const faults: string[] = [];
  const [, version = "", major, minor] = /^redis_version:((\d+)\.(\d+)\S*)/m.exec(info) ?? [];
  const isOld = Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1]);
  if (isOld) faults.push(`Redis is too old: expected version ${OLDEST.join(".")} or newer, got ${version}`);
  if (/^redis_mode:cluster/m.test(info)) faults.push("Redis is part of a cluster, which is not supported");
  return faults.map((text) => ({ isOk: false, text }));
}

/**
 * What a server may forget. That is nothing that keeps jobs from running, so it is told and no fault.
 *
 * @param info answer to `INFO`
 */
export function describeMemory(info: string): readonly ProbeFinding[] {
  const readValue = (key: string): string | undefined => new RegExp(`^${key}:(\\S+)`, "m").exec(info)?.[1];
  const warnings: string[] = [];
  if (readValue("aof_enabled") === "0") {
    warnings.push("Redis does not write every change to disk (appendonly no): when it ends, it may forget jobs");
  }
  const policy = readValue("maxmemory_policy");
  if (readValue("maxmemory") !== "0" && policy !== undefined && policy !== "noeviction") {
    warnings.push(`Redis forgets jobs when its memory is full (maxmemory-policy ${policy}); it should be noeviction`);
  }
  return warnings.map((text) => ({ isOk: true, text }));
}

/** Performers may come later, so that it is no fault when there is none. */
export function describePerformers(present: readonly string[]): readonly ProbeFinding[] {
  if (present.length === 0) {
    return [{ isOk: true, text: "No performer is there yet; start one with `bartender perform`" }];
  }
  return present.map((text) => {
    try {
      const { host, pid, running, capacity, release, isDraining } = decodePerformer(text);
      const state = isDraining ? ", takes no more" : "";
      return { isOk: true, text: `Performer on ${host} (${pid}), ${release}: ${running} of ${capacity} jobs${state}` };
    } catch (error) {
      return { isOk: false, text: messageOf(error) };
    }
  });
}
