/** A place in a text; line and column count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Keys and list indexes from the top of the file down to a value. */
export type KeyPath = readonly (string | number)[];

/** One fault or warning about the configuration file. */
export interface Finding {
  /** Undefined when it concerns the file as a whole, e.g. one that cannot be read. */
  readonly position: Position | undefined;
  readonly path: KeyPath;
  /** Without the path, in sentence case, without a final period. */
  readonly message: string;
}

/** Writes a path as `destinations.small.scheduler`, with `[0]` for list items and quotes around unusual names. */
export function formatKeyPath(path: KeyPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") {
      text += `[${part}]`;
    } else {
      text += (text === "" ? "" : ".") + (/^[\w$-]+$/.test(part) ? part : JSON.stringify(part));
    }
  }
  return text;
}

/**
 * Writes a finding as one line: `config.yaml:12:5: destinations.small.scheduler.slots: expected …`.
 *
 * @param file name of the file as the user knows it
 */
export function formatFinding(file: string, finding: Finding, kind: "fault" | "warning" = "fault"): string {
  const place = finding.position === undefined ? file : `${file}:${finding.position.line}:${finding.position.column}`;
  const parts = [place];
  if (kind === "warning") {
    parts.push("warning");
  }
  if (finding.path.length > 0) {
    parts.push(formatKeyPath(finding.path));
  }
  parts.push(finding.message);
  return parts.join(": ").replaceAll(/\s*[\r\n]+\s*/g, " ");
}

/** Orders findings as they stand in the file; those about the whole file come first. */
export function byPosition(a: Finding, b: Finding): number {
  return (a.position?.line ?? 0) - (b.position?.line ?? 0) || (a.position?.column ?? 0) - (b.position?.column ?? 0);
}
