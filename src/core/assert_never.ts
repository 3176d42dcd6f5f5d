/** Ends a `switch` over a union: does not compile while a variant is left out. */
export function assertNever(value: never): never {
  throw new TypeError(`Unexpected variant: ${JSON.stringify(value)}`);
}
