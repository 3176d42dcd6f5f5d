/** The words of a line, with quotes as in a shell; undefined when one is not closed. Pure. */
export function splitLine(line: string): string[] | undefined {
  const words: string[] = [];
  for (let rest = line.trimStart(); rest !== ""; rest = rest.trimStart()) {
    let word = "";
    for (let part = PART.exec(rest); part !== null; part = PART.exec(rest)) {
      const [all, single, double, escaped, plain = ""] = part;
      word += single ?? double?.replace(/\\(["\\])/g, "$1") ?? escaped ?? plain;
      rest = rest.slice(all.length);
    }
    if (rest !== "" && !/^\s/.test(rest)) return undefined;
    words.push(word);
  }
  return words;
}

const PART = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+))/;
