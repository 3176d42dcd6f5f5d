import Type from "typebox";
import { type Duration, parseDuration, parseKeepingTime } from "./duration.ts";

const DAYS_AND_TIME =
  "(\\d+(\\.\\d+)?[dD])?([tT](?=\\d)(\\d+(\\.\\d+)?[hH])?(\\d+(\\.\\d+)?[mM])?(\\d+(\\.\\d+)?[sS])?)?";

/** Spellings that {@link duration} takes, for descriptions. */
export const DURATIONS = "seconds, ISO 8601 with days and time parts (PT12H, P1D), or HH:MM:SS";

/** A key that takes what {@link parseDuration} reads. @param defaultS without it the key has to be optional */
export function duration(description: string, defaultS?: number) {
  const preset = defaultS === undefined ? {} : { default: defaultS };
  return refined(Type.Unsafe<number | string>({ ...shape(description, DAYS_AND_TIME), ...preset }), parseDuration);
}

/** A key that takes what {@link parseKeepingTime} reads. */
export function keepingTime(description: string) {
  return refined(Type.Unsafe<number | string>(shape(description, `(\\d+[wW]|${DAYS_AND_TIME})`)), parseKeepingTime);
}

function shape(description: string, iso: string) {
  return {
    description,
    type: ["integer", "string"],
    minimum: 1,
    pattern: `^(\\d+(\\.\\d+)?|\\d+:[0-5]\\d:[0-5]\\d|[pP](?=.*\\d)${iso})$`,
  };
}

function refined<Schema extends ReturnType<typeof Type.Unsafe<number | string>>>(
  schema: Schema,
  parse: (value: number | string) => Duration,
) {
  return Type.Refine(
    schema,
    (value) => parse(value as number | string).isValid,
    (value) => {
      const read = parse(value as number | string);
      return read.isValid ? "" : read.reason;
    },
  );
}
