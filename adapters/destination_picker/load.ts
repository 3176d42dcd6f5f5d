import { pathToFileURL } from "node:url";
import type { Config } from "../../src/config/config.ts";
import {
  BUILT_IN_RULES,
  type BuiltInPicker,
  type CustomPicker,
  PickError,
  type Picker,
  type PickerContext,
  type PickerDestination,
} from "../../src/core/destination_picker.ts";
import { BartenderError, messageOf } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";

/** A custom picker that takes longer never answers. */
const DEADLINE_MS = 30_000;

/** The module of a custom picker cannot be used; the service must not start. */
export class PickerLoadError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("picker_not_loaded", `destination_picker: ${message}`, { cause });
  }
}

type PickerConfig = Pick<Config, "applications" | "destinationPicker" | "jobRootDir"> & {
  readonly destinations: ReadonlyMap<string, PickerDestination>;
};

/**
 * Makes the configured picker ready: a built-in rule, or an export of the user's own module, which is run now.
 *
 * @throws {PickerLoadError} when the module cannot be loaded or has no such function
 */
export async function loadPicker(config: PickerConfig, clock: Clock): Promise<Picker> {
  const { destinationPicker } = config;
  return destinationPicker.kind === "builtin"
    ? builtInPicker(destinationPicker.name, config)
    : customPicker(await loadFunction(destinationPicker.path, destinationPicker.exportName), config, clock);
}

function builtInPicker(name: BuiltInPicker, config: PickerConfig): Picker {
  const rule = BUILT_IN_RULES[name];
  const applications = [...config.applications.keys()];
  const destinations = [...config.destinations.keys()];
  let counter = 0;
  return {
    pick: async ({ application }) => rule({ application, applications, destinations, counter: counter++ }),
    foresee(application) {
      if (name === "pick_round") return undefined;
      try {
        return rule({ application, applications, destinations, counter });
      } catch (error) {
        // The job is told why.
        if (error instanceof PickError) return undefined;
        throw error;
      }
    },
  };
}

function customPicker(pick: CustomPicker, config: PickerConfig, clock: Clock): Picker {
  return {
    async pick({ jobDir, application, submitter }) {
      // Fresh maps, so that a picker that changes them harms nobody.
      const context: PickerContext = {
        applications: new Map(config.applications),
        destinations: new Map(config.destinations),
        job_root_dir: config.jobRootDir,
        destination_picker: config.destinationPicker.text,
      };
      let answer: unknown;
      try {
        const user = { username: submitter, roles: [], apikey: "" };
        answer = await inTime(Promise.try(pick, jobDir, application, user, context), clock);
      } catch (error) {
        throw new PickError(`Destination picker failed: ${messageOf(error)}`, error);
      }
      if (typeof answer !== "string") {
        throw new PickError(`Destination picker should answer the name of a destination, got ${shown(answer)}`);
      }
      if (!config.destinations.has(answer)) {
        const names = [...config.destinations.keys()].join(", ");
        throw new PickError(`Destination picker answered ${shown(answer)}, which is not one of: ${names}`);
      }
      return answer;
    },
  };
}

/** @throws when there is no answer by the deadline; the picker itself cannot be ended */
async function inTime<T>(answer: Promise<T>, clock: Clock): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const stop = clock.after(DEADLINE_MS, () => reject(new Error(`no answer within ${DEADLINE_MS / 1000} s`)));
  try {
    return await Promise.race([answer, late]);
  } finally {
    stop();
  }
}

async function loadFunction(path: string, exportName: string): Promise<CustomPicker> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new PickerLoadError(`${path} cannot be loaded: ${messageOf(error)}`, error);
  }
  // A CommonJS file offers its exports as the default one.
  const fallback: unknown = module.default;
  const inherited = typeof fallback === "object" && fallback !== null ? (fallback as Record<string, unknown>) : {};
  const found = Object.hasOwn(module, exportName) ? module[exportName] : inherited[exportName];
  if (typeof found !== "function") {
    const names = Object.keys(module).join(", ") || "nothing";
    const reason =
      found === undefined
        ? `has no export ${exportName}, it exports ${names}`
        : `exports ${exportName}, which is not a function`;
    throw new PickerLoadError(`${path} ${reason}`);
  }
  return found as CustomPicker;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 200)) : value === null ? "null" : typeof value;
}
