import type { Clock } from "../ports/clock.ts";
import type { CommandIo } from "./io.ts";

/** What the commands of the client need from their surroundings. */
export interface ClientIo extends CommandIo {
  readonly clock: Clock;
  /** For what is to be seen only by a person; undefined when nobody watches. */
  readonly terminal: ((text: string) => void) | undefined;
}

/** A job as the API shows it, as far as the client looks at it. */
export interface JobJson {
  readonly id: number;
  readonly name: string;
  readonly application: string;
  readonly state: string;
  readonly reason: string | null;
  readonly updated_on: string;
}
