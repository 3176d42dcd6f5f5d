import type { JsonValue } from "../core/json.ts";

/** One entry of a list error: which parameter failed, why, and what would have been right. */
export interface ParameterFault {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
  readonly ctx?: Readonly<Record<string, JsonValue>>;
}

/** A request that is answered with a status of 4xx or 5xx and a readable `detail`; thrown by handlers. */
export class Refusal extends Error {
  readonly status: number;
  readonly detail: string | readonly ParameterFault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    detail: string | readonly ParameterFault[],
    options: { readonly headers?: Readonly<Record<string, string>>; readonly cause?: unknown } = {},
  ) {
    const message = typeof detail === "string" ? detail : detail.map(({ msg }) => msg).join("; ");
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Refusal";
    this.status = status;
    this.detail = detail;
    this.headers = options.headers ?? {};
  }
}

/** The refusal of a request with faulty parameters: all of them in one list error. */
export function invalidParameters(faults: readonly ParameterFault[]): Refusal {
  return new Refusal(422, faults);
}
