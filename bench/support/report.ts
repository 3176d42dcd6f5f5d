/** Prints one line of a result, as it goes into RESULTS.md. */
export function report(what: string, figure: string): void {
  console.log(`| ${what} | ${figure} |`);
}

export function perSecond(value: number): string {
  return `${Math.round(value).toLocaleString("en")}/s`;
}

export function ratio(value: number, reference: number): string {
  return `${((100 * value) / reference).toFixed(0)} %`;
}
