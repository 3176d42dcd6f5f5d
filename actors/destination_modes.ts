import type { DestinationMode } from "../src/core/destination_mode.ts";
import type { SavedMode } from "../src/ports/admin_store.ts";

/** What administrators let each destination do, as it is saved; read by its actors whenever they are about to act. */
export class DestinationModes {
  readonly #saved = new Map<string, SavedMode>();

  constructor(saved: readonly SavedMode[] = []) {
    for (const mode of saved) this.note(mode);
  }

  /** To be called when the change is saved. */
  note(mode: SavedMode): void {
    this.#saved.set(mode.destination, mode);
  }

  of(destination: string): DestinationMode {
    return this.#saved.get(destination)?.mode ?? "open";
  }

  /** Undefined when nobody ever changed it. */
  saved(destination: string): SavedMode | undefined {
    return this.#saved.get(destination);
  }
}
