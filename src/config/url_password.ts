/** An address with a password in it. @param url valid @returns undefined when it has one already */
export function withPassword(url: string, password: string): string | undefined {
  const whole = new URL(url);
  if (whole.password !== "") return undefined;
  whole.password = encodeURIComponent(password);
  return whole.href;
}
