import type { Clock } from "../ports/clock.ts";
import { decodeUtf8, parseJson } from "./json_body.ts";
import { type ParameterCheck, textFault } from "./parameter_check.ts";
import type { ParameterFault } from "./refusal.ts";
import { readBody } from "./request_body.ts";

/** Width of the column that keeps the name. */
const MAX_NAME_LENGTH = 200;

const MAX_BODY_BYTES = 1_000_000;

/**
 * Reads the new name of a job: a JSON string of 1–200 characters. A JSON number counts as its text, and the body of
 * another content type is the name itself; without a content type the body is JSON.
 *
 * @param parameters gets to know what is wrong with the name; the result is the empty string then
 * @throws {Refusal} 422 when the body is no JSON, before any other fault is reported
 */
export async function readJobName(request: Request, parameters: ParameterCheck, clock: Clock): Promise<string> {
  const body = await readBody(request, MAX_BODY_BYTES, clock);
  const text = decodeUtf8(body);
  const value = text === "" ? null : isJson(request.headers.get("content-type")) ? parseJson(text) : text;
  const name = typeof value === "number" ? text.trim() : value;
  const fault = faultOfName(name);
  if (fault === undefined && typeof name === "string") return name;
  if (fault !== undefined) parameters.add(fault);
  return "";
}

function faultOfName(name: unknown): ParameterFault | undefined {
  const loc = ["body"];
  if (name === null) return { loc, msg: "field required", type: "value_error.missing" };
  if (typeof name !== "string") return { loc, msg: "str type expected", type: "type_error.str" };
  if (name === "") {
    return {
      loc,
      msg: "ensure this value has at least 1 characters",
      type: "value_error.any_str.min_length",
      ctx: { limit_value: 1 },
    };
  }
  return textFault(loc, name, MAX_NAME_LENGTH);
}

function isJson(contentType: string | null): boolean {
  return contentType === null || /^application\/(?:[^;]*\+)?json\s*(?:;|$)/i.test(contentType.trim());
}
