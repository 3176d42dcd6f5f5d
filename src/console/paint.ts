/** Writes parts of texts so that they stand out, or leaves them as they are. */
export interface Paint {
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

const ESCAPE = "\u001b[";

/** @param isOn false where nobody looks, or where `NO_COLOR` is set (no-color.org) */
export function paint(isOn: boolean): Paint {
  const as =
    (code: number) =>
    (text: string): string =>
      isOn && text !== "" ? `${ESCAPE}${code}m${text}${ESCAPE}0m` : text;
  return { good: as(32), warn: as(33), bad: as(31), dim: as(2), bold: as(1) };
}

/** Text of others, such as names of jobs, without what a terminal would obey. */
export function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => (control === "\n" || control === "\t" ? " " : "\ufffd"));
}

/** The same for lines that a command has printed: what is left of them are words, in which colours are lost. */
export function harmlessLines(text: string): string {
  return text
    .replace(COLOUR, "")
    .replace(/\r\n?/g, "\n")
    .replace(/[^\P{Cc}\n\t]/gu, "\ufffd");
}

const COLOUR = /\p{Cc}\[[\d;:]*m/gu;

/** Breaks a paragraph between words, where a line would be longer than the terminal is wide. */
export function wrapped(text: string, columns: number, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}

/** One cell of a table: its text, and how it is shown. */
export type Cell = string | { readonly text: string; readonly show: (text: string) => string };

/** How wide a table is up to a further column, which is not counted. */
export function widthOf(rows: readonly (readonly Cell[])[]): number {
  const last = Math.min(...rows.map(({ length }) => length));
  const widths = Array.from({ length: last }, (_, column) =>
    Math.max(...rows.map((row) => textOf(row[column]).length)),
  );
  return widths.reduce((sum, width) => sum + width + 2, 0);
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === "string" ? cell : (cell?.text ?? "");
}

/** Columns side by side, as wide as their widest cell; two blanks in between, none at the end. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[], { dim }: Paint): string {
  const texts = [head, ...rows].map((row) => row.map(textOf));
  const widths = head.map((_, column) => Math.max(...texts.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly Cell[]): string =>
    row
      .map((cell, column) => {
        const text = textOf(cell);
        const gap = column === row.length - 1 ? "" : " ".repeat((widths[column] ?? 0) - text.length + 2);
        return (typeof cell === "string" ? text : cell.show(text)) + gap;
      })
      .join("")
      .trimEnd();
  return [dim(line(head)), ...rows.map(line)].map((text) => `${text}\n`).join("");
}
