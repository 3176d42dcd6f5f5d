import { statSync } from "node:fs";
import { dirname } from "node:path";
import { BUILT_IN_PICKERS } from "../core/destination_picker.ts";
import type { DestinationPickerConfig } from "./config.ts";
import { didYouMean } from "./nearest.ts";
import { absolutePath } from "./paths.ts";

export type PickerSetting =
  | { readonly isValid: true; readonly picker: DestinationPickerConfig }
  | { readonly isValid: false; readonly reason: string };

const PORTING_HINT =
  "port it to a .ts or .js file and give its path and export, e.g. picker.ts:pick with " +
  '"export function pick(jobDir, applicationName, user, context) { return destinationName; }"';

/**
 * Reads `destination_picker`: a built-in name such as `bartender.picker:pick_first` (also with a dot before the
 * function), or `<path to .ts, .js or .mjs file>:<export>`.
 *
 * @param file absolute path of the configuration file; pickers are looked for beside it, then in `workingDirectory`
 * @param mayBeMissing for who chooses no destinations and may not have the file
 */
export function pickerSetting(
  text: string,
  file: string,
  workingDirectory: string,
  mayBeMissing: boolean,
): PickerSetting {
  const builtIn = /^bartender\.picker[:.](.+)$/.exec(text)?.[1];
  if (builtIn !== undefined) {
    const name = BUILT_IN_PICKERS.find((known) => known === builtIn);
    if (name !== undefined) {
      return { isValid: true, picker: { kind: "builtin", name, text } };
    }
    const known = BUILT_IN_PICKERS.map((picker) => `bartender.picker:${picker}`);
    return invalid(`expected one of ${known.join(", ")}, got ${JSON.stringify(text)}${didYouMean(text, known)}`);
  }
  if (BUILT_IN_PICKERS.some((name) => name === text)) {
    return invalid(
      `expected a module before the function, got ${JSON.stringify(text)} (did you mean "bartender.picker:${text}"?)`,
    );
  }
  const [, path, exportName] = /^(.+\.(?:ts|js|mjs))(?::(.*))?$/s.exec(text) ?? [];
  if (path === undefined) {
    const isFile = /\.py(:|$)/.test(text);
    return invalid(
      `${isFile ? "Python files" : "Python modules"} cannot be loaded, got ${JSON.stringify(text)}; ${PORTING_HINT}`,
    );
  }
  if (exportName === undefined || !/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(exportName)) {
    return invalid(`expected the name of an export after the file, e.g. ${path}:pick, got ${JSON.stringify(text)}`);
  }
  const beside = absolutePath(path, dirname(file));
  const places = [...new Set([beside, absolutePath(path, workingDirectory)])];
  const isFile = (place: string): boolean => statSync(place, { throwIfNoEntry: false })?.isFile() === true;
  const found = places.find(isFile) ?? (mayBeMissing ? beside : undefined);
  if (found === undefined) {
    return invalid(`file does not exist at path ${places.map((place) => JSON.stringify(place)).join(" nor at ")}`);
  }
  return { isValid: true, picker: { kind: "module", path: found, exportName, text } };
}

function invalid(reason: string): PickerSetting {
  return { isValid: false, reason };
}
