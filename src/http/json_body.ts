import type { JsonValue } from "../core/json.ts";
import { findJsonFault } from "./json_fault.ts";
import { invalidParameters, Refusal } from "./refusal.ts";

/** @throws {Refusal} 400 when the body is not UTF-8 */
export function decodeUtf8(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (error) {
    throw new Refusal(400, "There was an error parsing the body", { cause: error });
  }
}

/** @throws {Refusal} 422 with place and kind of the first fault, when `text` is no JSON */
export function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The runtime's own message is no contract; the fault is found again with a known wording.
    const { msg, pos, lineno, colno } = findJsonFault(text);
    throw invalidParameters([
      {
        loc: ["body", pos],
        msg: `${msg}: line ${lineno} column ${colno} (char ${pos})`,
        type: "value_error.jsondecode",
        ctx: { msg, doc: text, pos, lineno, colno },
      },
    ]);
  }
}
