import { systemClock } from "../../adapters/clock/system_clock.ts";
import type { LogLevel } from "../../adapters/logger/log_levels.ts";
import { pinoLogger } from "../../adapters/logger/pino_logger.ts";
import { type PerformerInput, runPerform } from "../../src/cli/perform.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { startPerformer } from "../../src/performer.ts";
import { onStopSignals } from "../../src/runtime/signals.ts";

/**
 * The command `perform` with a lease that is shorter than a configuration may say, and less respect for young servers, so that tests need
 * not wait.
 *
 * Arguments: configuration file, lease in seconds, destination, level of the log.
 */
const [config = "", leaseS = "", destination = "", logLevel = "debug"] = process.argv.slice(2);
/** Renewals of the shortest lease in tests come several times in it. */
const SETTLE_MS = 2_000;

const asked = Promise.withResolvers<string>();
const insisted = Promise.withResolvers<string>();
onStopSignals(asked.resolve, insisted.resolve);

const start = (input: PerformerInput) => {
  const destinations = new Map(
    [...input.config.destinations].map(([name, settings]) => {
      const { scheduler } = settings;
      const heartbeatTimeoutS = Number(leaseS);
      return [
        name,
        scheduler.type === "arq" ? { ...settings, scheduler: { ...scheduler, heartbeatTimeoutS } } : settings,
      ];
    }),
  );
  return startPerformer({ ...input, settleMs: SETTLE_MS, config: { ...input.config, destinations } });
};
const environment = readEnvironment({}, process.cwd());
if (!environment.isValid) throw new Error("No environment");
const status = await runPerform(
  {
    ...{ config, destinations: [destination], environment: environment.environment, start },
    // No client file of whoever runs the tests.
    follow: async (read) => ({ config: read, warnings: [], faults: [] }),
    ...{
      clock: systemClock(),
      random: Math.random,
      logger: pinoLogger(logLevel as LogLevel),
      stopRequested: asked.promise,
      stopInsisted: insisted.promise,
    },
  },
  {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    cwd: process.cwd(),
    env: process.env,
  },
);
process.exit(status);
