import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { bold, filled, pageHead, roffText, tagged, verbatim } from "./roff.ts";

/** A map of keys that gets a section of its own. */
interface Part {
  /** Where it stands in the file, e.g. `destinations.NAME.retry`. */
  readonly path: string;
  /** Which kind of several, e.g. `type: slurm`. */
  readonly kind?: string;
  readonly schema: JsonObject;
}

/** The manual page bartender-config(5), from the JSON Schema of config.yaml. Pure. @param date year, month and day */
export function configManualPage(schema: JsonObject, { version, date }: { version: string; date: string }): string {
  const parts: Part[] = [{ path: "", schema }];
  // A map that is the same in several places, such as ssh_config, is told once.
  const told = new Map<string, string>();
  const text: string[] = [];
  for (const part of parts) {
    const { path, kind } = part;
    const title = path === "" ? "Top level" : `${path}${kind === undefined ? "" : ` with ${kind}`}`;
    const lines = [`.SS ${roffText(title)}\n`];
    const about = path === "" ? "" : described(part.schema);
    if (about !== "") lines.push(filled(roffText(about)));
    const required = Array.isArray(part.schema.required) ? part.schema.required : [];
    for (const [key, value] of Object.entries(objectAt(part.schema, "properties"))) {
      if (!isJsonObject(value) || (kind !== undefined && key === "type")) continue;
      const inner = innerParts(path === "" ? key : `${path}.${key}`, value);
      const facts = factsOf(value, required.includes(key));
      const links = inner.map((each) => {
        const same = JSON.stringify(each.schema);
        const before = told.get(same);
        if (before !== undefined) return `as ${before}`;
        told.set(same, each.path);
        parts.push(each);
        return "";
      });
      const [link = ""] = links.filter((each) => each !== "");
      lines.push(
        tagged(bold(key), roffText([described(value), ...facts, link].filter((each) => each !== "").join(" "))),
      );
    }
    text.push(lines.join(""));
  }
  return [
    pageHead({
      ...{ name: "bartender-config", section: 5, date, source: `Bartender ${version}` },
      summary: "configuration file of bartender",
    }),
    ".SH SYNOPSIS\n.I /etc/bartender/config.yaml\n",
    ".SH DESCRIPTION\n",
    filled(roffText(INTRODUCTION)),
    ".PP\n",
    filled(`${bold("bartender check-config")} lists all faults of a file, each with line and column.`),
    ".SH KEYS\n",
    ...text,
    ".SH EXAMPLES\n",
    filled("One application, whose jobs run on this machine, two at a time:"),
    verbatim(EXAMPLE),
    ".PP\n",
    filled(roffText("A longer example is /usr/share/doc/bartender/examples/config.yaml.")),
    ".SH SEE ALSO\n.BR bartender (1)\n",
  ].join("");
}

const INTRODUCTION =
  "What may be run, where it is run, and for whom. The file is YAML. Unknown keys are refused. Durations are seconds, ISO " +
  "8601 with days and time parts (PT12H, P1D), or HH:MM:SS. NAME stands for a name of your choice.";

const EXAMPLE = [
  "job_root_dir: /var/lib/bartender/jobs",
  "applications:",
  "  wc:",
  "    command_template: wc README.md",
  "    upload_needs: [README.md]",
  "destinations:",
  "  here:",
  "    scheduler: { type: memory, slots: 2 }",
  "    filesystem: { type: local }",
];

/** The maps with keys of their own that a value of the file holds. */
function innerParts(path: string, schema: JsonObject): readonly Part[] {
  if (schema.additionalProperties === true) return [];
  if (isJsonObject(schema.properties)) return [{ path, schema }];
  const named = Object.values(objectAt(schema, "patternProperties")).filter(isJsonObject);
  if (named.length > 0) return named.map((each) => ({ path: `${path}.NAME`, schema: each }));
  const kinds = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isJsonObject) : [];
  return kinds.map((each) => ({
    path,
    kind: `type: ${choicesOf(objectAt(each, "properties").type).join(" or ")}`,
    schema: each,
  }));
}

function objectAt(schema: JsonObject, key: string): JsonObject {
  const value = schema[key];
  return isJsonObject(value) ? value : {};
}

function described({ description }: JsonObject): string {
  return typeof description === "string" ? description : "";
}

/** What the schema says beside the description: whether it must be there, choices, limits and default. */
function factsOf(schema: JsonObject, isRequired: boolean): string[] {
  const { default: fallback, minimum, exclusiveMinimum, maximum } = schema;
  const choices = choicesOf(schema);
  return [
    isRequired ? "required" : "",
    choices.length > 0 ? `one of ${choices.join(", ")}` : "",
    // A smallest amount of 0 or 1 goes without saying.
    typeof minimum === "number" && minimum > 1 ? `at least ${minimum}` : "",
    typeof exclusiveMinimum === "number" ? `above ${exclusiveMinimum}` : "",
    typeof maximum === "number" ? `at most ${maximum}` : "",
    isScalar(fallback) ? `default: ${fallback}` : "",
  ].filter((fact) => fact !== "");
}

function choicesOf(schema: JsonValue | undefined): readonly string[] {
  if (!isJsonObject(schema)) return [];
  if (typeof schema.const === "string") return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum.map(String) : [];
}

function isScalar(value: JsonValue | undefined): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
