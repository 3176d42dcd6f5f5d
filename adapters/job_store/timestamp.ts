/**
 * Writes a point in time as ISO 8601 in UTC with exactly three fraction digits: `2022-01-01T00:00:00.000Z`.
 *
 * In a SQLite text column this sorts by time, is readable for people and understood by SQLite's own date
 * functions; PostgreSQL takes the same text for a `timestamp with time zone`.
 *
 * @param ms milliseconds since 1970
 */
export function encodeTimestamp(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * Reads what {@link encodeTimestamp} wrote, or any other ISO 8601 text with a time zone.
 *
 * @returns milliseconds since 1970, with a fraction where the text has microseconds
 * @throws {RangeError} when the text is no such time
 */
export function decodeTimestamp(text: string): number {
  // Most are of our own making, and a job has five.
  if (text.length === 24 && text[10] === "T" && text[19] === "." && text[23] === "Z") {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
  }
  const [, seconds, fraction = "", zone] = WITH_ZONE.exec(text) ?? [];
  const ms = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(ms)) throw new RangeError(`expected an ISO 8601 time with a time zone, got ${JSON.stringify(text)}`);
  return ms + Number(fraction.slice(0, MICROS).padEnd(MICROS, "0")) / 1_000;
}

/** Digits of a fraction of a second that are kept. */
const MICROS = 6;

// Date.parse takes a text without zone for local time, which would shift it in silence.
const WITH_ZONE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/;
