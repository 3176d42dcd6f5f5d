import { BartenderError } from "./errors.ts";

/** The pickers that come along, in the spelling of `destination_picker` without its module. */
export const BUILT_IN_PICKERS = ["pick_first", "pick_byname", "pick_byindex", "pick_round"] as const;
export type BuiltInPicker = (typeof BUILT_IN_PICKERS)[number];

/** No destination could be picked; the job ends with the message as reason. */
export class PickError extends BartenderError {
  constructor(message: string, cause?: unknown) {
    super("pick_failed", message, { cause });
  }
}

/** What a destination is picked for. */
export interface PickRequest {
  /** Absolute path of the job's directory with the unpacked upload. */
  readonly jobDir: string;
  readonly application: string;
  readonly submitter: string;
}

/**
 * Picks the destination of one job.
 *
 * @returns the name of a configured destination
 */
export interface Picker {
  /** @throws {PickError} when there is no answer or no usable one */
  pick(request: PickRequest): Promise<string>;
  /** The choice for any job of an application, where nothing else counts; undefined when something else may. */
  foresee?(application: string): string | undefined;
}

/** What a built-in picker decides on; names in the order of the configuration. */
export interface PickQuestion {
  readonly application: string;
  readonly applications: readonly string[];
  readonly destinations: readonly string[];
  /** How many jobs were picked for before. */
  readonly counter: number;
}

/** The rules of the built-in pickers. Pure. @throws {PickError} when the rule names no destination */
export const BUILT_IN_RULES: Readonly<Record<BuiltInPicker, (question: PickQuestion) => string>> = {
  /** The first destination. */
  pick_first({ destinations }) {
    return found(destinations[0], "no destination is configured");
  },
  /** The destination that is named like the application. */
  pick_byname({ application, destinations }) {
    return found(
      destinations.find((name) => name === application),
      `no destination is named like the application ${JSON.stringify(application)}`,
    );
  },
  /** The n-th destination for the n-th application. */
  pick_byindex({ application, applications, destinations }) {
    const index = applications.indexOf(application);
    if (index === -1) {
      throw new PickError(`The application ${JSON.stringify(application)} is not configured`);
    }
    return found(
      destinations[index],
      `the application ${JSON.stringify(application)} is number ${index + 1}, but there are only ${destinations.length} destinations`,
    );
  },
  /** One after the other in turn, starting with the first. */
  pick_round({ destinations, counter }) {
    return found(destinations[counter % destinations.length], "no destination is configured");
  },
};

function found(name: string | undefined, reason: string): string {
  if (name === undefined) {
    throw new PickError(`No destination could be picked: ${reason}`);
  }
  return name;
}

/** Who submitted the job, as far as is known when the picker is called. */
export interface PickerUser {
  readonly username: string;
  /** Empty: roles stand in the token, which is not kept. */
  readonly roles: readonly string[];
  /** Empty: the token is not kept. */
  readonly apikey: string;
}

/** The configuration as a custom picker sees it; names as keys, in the order of the file. */
export interface PickerContext {
  readonly applications: ReadonlyMap<string, unknown>;
  readonly destinations: ReadonlyMap<string, PickerDestination>;
  readonly job_root_dir: string;
  /** The setting itself. */
  readonly destination_picker: string;
}

/** What a custom picker may rely on of a destination. */
export interface PickerDestination {
  readonly scheduler: { readonly type: string };
  readonly fileSystem: { readonly type: string };
}

/** A picker of the user's own: an export of a `.ts`, `.js` or `.mjs` file. */
export type CustomPicker = (
  jobDir: string,
  applicationName: string,
  user: PickerUser,
  context: PickerContext,
) => string | Promise<string>;
