const MAX_SECONDS = 10 * 365 * 24 * 3600;

export type Duration =
  | { readonly isValid: true; readonly seconds: number }
  | { readonly isValid: false; readonly reason: string };

/**
 * Reads a duration as whole seconds, at least 1: a number of seconds, ISO 8601 with days and time parts only
 * (`PT12H`, `P1DT30M`), or `HH:MM:SS`. Fractions of a second are cut off.
 */
export function parseDuration(value: number | string): Duration {
  const seconds = typeof value === "number" ? value : secondsOf(value.trim());
  return typeof seconds === "string" ? invalid(seconds, value) : checked(seconds, value);
}

/**
 * Reads how long something is kept, as whole seconds: like {@link parseDuration}, and takes whole weeks (`P2W`).
 *
 * @returns never less than a second
 */
export function parseKeepingTime(value: number | string): Duration {
  const weeks = typeof value === "string" ? /^P(\d+)W$/i.exec(value.trim())?.[1] : undefined;
  if (weeks !== undefined) {
    return checked(Number(weeks) * 7 * DAY_S, value);
  }
  const duration = parseDuration(value);
  if (duration.isValid || typeof value === "number") {
    return duration;
  }
  const hint = LONGER_UNITS.find(([pattern]) => pattern.test(value.trim()))?.[1];
  return hint === undefined ? duration : invalid(hint, value);
}

const DAY_S = 86_400;

const LONGER_UNITS: readonly (readonly [RegExp, string])[] = [
  [/^P\d+M$/i, "months have no fixed length; count days instead, e.g. P30D"],
  [/^P\d+Y$/i, "years have no fixed length; count days instead, e.g. P365D"],
  [/^P.*\dW/i, "weeks stand alone, e.g. P2W"],
];

function checked(seconds: number, value: number | string): Duration {
  const whole = Math.trunc(seconds);
  if (!Number.isFinite(whole) || whole > MAX_SECONDS) {
    return invalid("longer than ten years", value);
  }
  return whole < 1 ? invalid("shorter than a second", value) : { isValid: true, seconds: whole };
}

function invalid(reason: string, value: number | string): Duration {
  const expected = "expected seconds or an ISO 8601 duration such as PT12H";
  return { isValid: false, reason: `${expected}, got ${JSON.stringify(value)} (invalid duration format: ${reason})` };
}

/**
 * {@link parseDuration} of a value that was checked when the file was read.
 *
 * @returns seconds
 */
export function checkedSeconds(value: number | string): number {
  const duration = parseDuration(value);
  if (!duration.isValid) {
    throw new TypeError(`Unchecked duration: ${duration.reason}`);
  }
  return duration.seconds;
}

/** The seconds, or why there are none. */
function secondsOf(text: string): number | string {
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) {
    return Number(text);
  }
  const clock = /^(\d+):(\d\d):(\d\d)$/.exec(text);
  if (clock !== null) {
    const [hours = 0, minutes = 0, seconds = 0] = clock.slice(1).map(Number);
    return minutes < 60 && seconds < 60 ? hours * 3600 + minutes * 60 + seconds : "minutes and seconds end at 59";
  }
  const [, minutes, seconds] = /^(\d+):([0-5]\d)$/.exec(text) ?? [];
  if (minutes !== undefined && seconds !== undefined) {
    const [hours, rest] = [Math.trunc(Number(minutes) / 60), Number(minutes) % 60].map((n) =>
      String(n).padStart(2, "0"),
    );
    return `write hours, minutes and seconds, e.g. ${hours}:${rest}:${seconds}`;
  }
  const iso = /^P(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/i.exec(
    text,
  );
  if (iso !== null && /\d[DHMS]$/i.test(text)) {
    const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
    return (days ?? 0) * DAY_S + (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  }
  const months = /^P(\d+)M$/i.exec(text);
  if (months !== null) {
    return `P${months[1]}M means months, which have no fixed length; did you mean PT${months[1]}M, minutes?`;
  }
  const onlyTime = /^P(\d+[HS].*)$/i.exec(text);
  if (onlyTime !== null) {
    return `hours, minutes and seconds come after a T; did you mean PT${onlyTime[1]}?`;
  }
  if (/^P.*[YMW]/i.test(text)) {
    return "years, months and weeks are not supported";
  }
  return "neither seconds, nor like PT12H, nor like 12:00:00";
}
