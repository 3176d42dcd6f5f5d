import { readdirSync } from "node:fs";
import process from "node:process";
import { Counter, Gauge, type Registry } from "prom-client";

/**
 * Registers the measures of the process that every exporter has, by their customary names. Those of prom-client itself
 * include some of Node.js that mean nothing on other runtimes.
 */
export function registerProcessMetrics(registry: Registry, nowMs: number): void {
  const registers = [registry];
  new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system CPU time of the daemon, without its commands.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: "process_start_time_seconds",
    help: "When the daemon was started, in seconds since 1970.",
    registers,
  }).set(Math.round(nowMs / 1000 - process.uptime()));
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory of the daemon.",
    registers,
    collect() {
      this.set(process.memoryUsage().rss);
    },
  });
  new Gauge({
    name: "process_open_fds",
    help: "Open files and sockets.",
    registers,
    collect() {
      this.set(readdirSync("/proc/self/fd").length);
    },
  });
}
