/** What SQLite has a type for. */
export type SqliteValue = string | number | bigint | null | Uint8Array;

/** @throws {TypeError} for values that SQLite has no type for */
export function bindable(values: readonly unknown[]): SqliteValue[] {
  return values.map((value) => {
    switch (typeof value) {
      case "string":
      case "number":
      case "bigint":
        return value;
      default:
        if (value === null || value instanceof Uint8Array) return value;
        throw new TypeError(`expected a value for the database, got ${typeof value}`);
    }
  });
}
