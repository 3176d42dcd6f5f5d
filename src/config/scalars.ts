/** Lenient readings of single values, shared by the configuration file, the environment and forms. */

const TRUE_WORDS = new Set(["true", "1", "yes", "on", "t", "y"]);
const FALSE_WORDS = new Set(["false", "0", "no", "off", "f", "n"]);

/** Reads `true/false`, `1/0`, `yes/no`, `on/off`, `t/f`, `y/n` in any case; undefined for anything else. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (TRUE_WORDS.has(word)) {
    return true;
  }
  return FALSE_WORDS.has(word) ? false : undefined;
}

/**
 * Reads a decimal number such as `5`, `-0.5`, `.5` or `1e3`; undefined for anything else, also for what is too
 * large for a number. Blanks around it do not matter.
 */
export function parseDecimal(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(trimmed)) {
    return undefined;
  }
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : undefined;
}

/** Like {@link parseDecimal}, and takes `_` between digits (`10_000`), which YAML 1.1 had for numbers. */
export function parseSettingNumber(text: string): number | undefined {
  return parseDecimal(text.replaceAll(/(?<=\d)_(?=\d)/g, ""));
}
