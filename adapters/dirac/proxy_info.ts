/** What `dirac-proxy-info` says about a proxy. */
export interface DiracProxyFacts {
  /** Subject of the certificate that it was made from. */
  readonly identity: string;
  readonly group: string;
  /** Seconds that it is still good for; 0 when it is over. */
  readonly leftS: number;
}

/** @returns undefined when there is no proxy */
export function parseProxyInfo(text: string): DiracProxyFacts | undefined {
  const value = (name: string): string | undefined => new RegExp(`^${name} *: (.*)$`, "m").exec(text)?.[1]?.trim();
  const left = /^(\d+):(\d\d):(\d\d)$/.exec(value("timeleft") ?? "");
  if (left === null) return undefined;
  const [, hours = "", minutes = "", seconds = ""] = left;
  return {
    identity: value("identity") ?? "nobody known",
    group: value("DIRAC group") ?? "none",
    leftS: Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds),
  };
}
