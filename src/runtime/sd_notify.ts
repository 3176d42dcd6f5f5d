import process from "node:process";
import type { ServiceManager } from "../ports/service_manager.ts";
import { type DatagramSender, datagramSender } from "./datagram_sender.ts";

/** For when nobody looks after the daemon. */
const NOBODY: ServiceManager = {
  watchdogMs: undefined,
  ready: () => undefined,
  status: () => undefined,
  reloading: () => undefined,
  alive: () => undefined,
  stopping: () => undefined,
};

/**
 * The service manager that started this process, by the protocol of sd_notify(3).
 *
 * @param variables environment of the process: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`
 * @param onFault told once when it cannot be reached, which does not keep the daemon from its work
 */
export function serviceManager(
  variables: Readonly<Record<string, string | undefined>>,
  onFault: (reason: string) => void,
): ServiceManager {
  const address = variables.NOTIFY_SOCKET ?? "";
  if (address === "") return NOBODY;
  let sender: DatagramSender;
  try {
    sender = datagramSender(address);
  } catch (error) {
    onFault(error instanceof Error ? error.message : String(error));
    return NOBODY;
  }
  let hasFailed = false;
  const send = (...lines: readonly string[]): void => {
    if (sender.send(lines.join("\n")) || hasFailed) return;
    hasFailed = true;
    onFault(`Cannot send to the service manager at ${address}`);
  };
  return {
    watchdogMs: watchdogMs(variables),
    ready: (status) => send("READY=1", statusLine(status)),
    status: (status) => send(statusLine(status)),
    reloading: () => send("RELOADING=1", `MONOTONIC_USEC=${sender.monotonicUs()}`, "STATUS=Reading the configuration"),
    alive: () => send("WATCHDOG=1"),
    stopping: () => send("STOPPING=1", "STATUS=Stopping; commands of jobs go on"),
  };
}

/** Each assignment is a line, so a text must not have any. */
function statusLine(status: string): string {
  return `STATUS=${status.replaceAll(/\s+/g, " ")}`;
}

/** `WATCHDOG_PID` tells for whom the time is meant: it is also in the environment of our children. */
function watchdogMs({ WATCHDOG_USEC: us, WATCHDOG_PID: pid }: Readonly<Record<string, string | undefined>>) {
  if (us === undefined || !/^[1-9]\d*$/.test(us)) return undefined;
  return pid === undefined || pid === String(process.pid) ? Number(us) / 1_000 : undefined;
}
