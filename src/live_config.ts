import { loadPicker } from "../adapters/destination_picker/load.ts";
import type { Config } from "./config/config.ts";
import type { Picker } from "./core/destination_picker.ts";
import { BartenderError } from "./core/errors.ts";
import type { Clock } from "./ports/clock.ts";

/** The configuration that is in force, for everybody who has to follow its changes. */
export interface LiveConfig {
  readonly config: Config;
  /** Chooses among the destinations that are in force when it answers. */
  readonly picker: Picker;
  /** Takes over a configuration whose picker was loaded. */
  replace(config: Config, picker: Picker): void;
}

/** @throws when the picker cannot be loaded */
export async function liveConfig(config: Config, clock: Clock): Promise<LiveConfig> {
  let current = { config, picker: await loadPicker(config, clock) };
  return {
    get config() {
      return current.config;
    },
    picker: {
      foresee: (application) => current.picker.foresee?.(application),
      async pick(request) {
        for (;;) {
          const used = current;
          const name = await used.picker.pick(request);
          if (current.config.destinations.has(name)) return name;
          // The destination was removed while the picker thought; the next one does not know it.
          if (used !== current) continue;
          const reason = `The destination picker chose ${JSON.stringify(name)}, which is not configured`;
          throw new BartenderError("destination_unknown", reason);
        }
      },
    },
    replace(next, picker) {
      current = { config: next, picker };
    },
  };
}
