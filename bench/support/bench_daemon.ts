import { type DaemonProcess, startDaemon } from "../../tests/support/daemon_process.ts";

export interface BenchDaemonOptions {
  /** How many jobs run at a time. Default: 1. */
  readonly slots?: number;
  /** Lines for the configuration. */
  readonly settings?: string;
  /** Default: only warnings are logged. */
  readonly env?: Readonly<Record<string, string>>;
}

export const QUIET = { BARTENDER_LOG_LEVEL: "warning" };

/** A daemon with the applications `noop`, which does nothing, and `wait`, which writes its process id and keeps its slot. */
export function benchDaemon({
  slots = 1,
  settings = "",
  env = QUIET,
}: BenchDaemonOptions = {}): Promise<DaemonProcess> {
  return startDaemon({
    config: `job_root_dir: jobs
applications:
  noop: {command_template: "true"}
  wait: {command_template: "echo $$; exec sleep 3600"}
destinations:
  local: {scheduler: {type: memory, slots: ${slots}}, filesystem: {type: local}}
${settings}`,
    env,
  });
}

/** @returns the number of a job that has done nothing */
export async function finishedJob(daemon: DaemonProcess): Promise<number> {
  const id = await daemon.submitOk("noop", { "input.txt": "\n" });
  await daemon.until(id, "ok");
  return id;
}
