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
  if (typeof seconds === "string") {
    return invalid(seconds, value);
  }
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
  if (/^\d+:\d\d$/.test(text)) {
    return `write hours, minutes and seconds, e.g. 00:${text.padStart(5, "0")}`;
  }
  const iso = /^P(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/i.exec(
    text,
  );
  if (iso !== null && /\d[DHMS]$/i.test(text)) {
    const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
    return (days ?? 0) * 86_400 + (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
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
