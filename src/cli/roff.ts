/*
 * The part of man(7), the language of manual pages, that the pages of Bartender are made of. What is written can be read
 * by groff(1) and mandoc(1) alike.
 */

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Text of which nothing is taken for a request or an escape. */
export function roffText(text: string): string {
  return text.replace(/[\\\-'`^~]|[^\p{ASCII}]/gu, (character) => ESCAPES[character] ?? codePoint(character));
}

function codePoint(character: string): string {
  return `\\[u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`;
}

/** Text to be typed as it is. */
export function bold(text: string): string {
  return text === "" ? "" : `\\fB${roffText(text)}\\fR`;
}

/** Text in whose place a value is typed. */
export function italic(text: string): string {
  return text === "" ? "" : `\\fI${roffText(text)}\\fR`;
}

/** Source lines of at most this many bytes, as mandoc(1) wants them. */
const LINE_BYTES = 78;

/** @param ready text with its escapes @returns it in short lines, none of which is taken for a request */
export function filled(ready: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of ready.split(/\s+/).filter((each) => each !== "")) {
    if (line !== "" && line.length + 1 + word.length > LINE_BYTES) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((each) => `${each.replace(/^\./, "\\&.")}\n`).join("");
}

/** A paragraph with a tag in the margin. @param tag, body texts with their escapes */
export function tagged(tag: string, body: string): string {
  return `.TP\n${filled(tag)}${filled(body)}`;
}

/** Lines that stay as they are, as examples do. */
export function verbatim(lines: readonly string[]): string {
  const text = lines.map((line) => `${roffText(line).replace(/^\./, "\\&.")}\n`).join("");
  return `.PP\n.RS 4\n.nf\n${text}.fi\n.RE\n`;
}

export interface PageHead {
  readonly name: string;
  readonly section: number;
  /** A few words for whatis(1). */
  readonly summary: string;
  /** Year, month and day. */
  readonly date: string;
  /** Name and version of the program. */
  readonly source: string;
}

/** The head of a page, with its section NAME. */
export function pageHead({ name, section, summary, date, source }: PageHead): string {
  const title = `.TH ${roffText(name.toUpperCase())} ${section} ${date} "${roffText(source)}"`;
  return `${title}\n.SH NAME\n${roffText(name)} \\- ${roffText(summary)}\n`;
}
