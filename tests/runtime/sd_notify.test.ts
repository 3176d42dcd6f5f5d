import { describe, expect, test } from "bun:test";
import { serviceManager } from "../../src/runtime/sd_notify.ts";

/** What systemd receives is tested in tests/end_to_end/systemd.test.ts, as nothing here can open such a socket to listen. */
function managerFor(variables: Readonly<Record<string, string>>) {
  const faults: string[] = [];
  return { faults, manager: serviceManager(variables, (reason) => void faults.push(reason)) };
}

describe("the service manager", () => {
  test("is nobody without NOTIFY_SOCKET, whatever is said", () => {
    const { manager, faults } = managerFor({ WATCHDOG_USEC: "1000000" });
    manager.ready("Serving");
    manager.stopping();
    expect({ watchdogMs: manager.watchdogMs, faults }).toEqual({ watchdogMs: undefined, faults: [] });
  });

  test("wants to hear of the process that WATCHDOG_PID names, or of any without it", () => {
    const variables = { NOTIFY_SOCKET: "@bartender-test-nobody", WATCHDOG_USEC: "1500000" };
    expect(managerFor(variables).manager.watchdogMs).toBe(1_500);
    expect(managerFor({ ...variables, WATCHDOG_PID: String(process.pid) }).manager.watchdogMs).toBe(1_500);
    expect(managerFor({ ...variables, WATCHDOG_PID: "1" }).manager.watchdogMs).toBeUndefined();
    expect(managerFor({ ...variables, WATCHDOG_USEC: "soon" }).manager.watchdogMs).toBeUndefined();
  });

  test("that does not listen is reported once, and disturbs nobody", () => {
    const { manager, faults } = managerFor({ NOTIFY_SOCKET: "/nowhere/notify" });
    manager.ready("Serving");
    manager.alive();
    expect(faults).toEqual(["Cannot send to the service manager at /nowhere/notify"]);
  });

  test.each(["vsock:2:1234", `/${"x".repeat(200)}`])("at an address like %s is reported", (address) => {
    const { manager, faults } = managerFor({ NOTIFY_SOCKET: address });
    manager.reloading();
    expect(faults).toHaveLength(1);
  });
});
