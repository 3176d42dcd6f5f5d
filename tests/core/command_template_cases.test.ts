import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseCommandTemplate } from "../../src/core/command_template.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { TemplateRenderError, TemplateSyntaxError } from "../../src/core/template/errors.ts";
import { parseJsonWithFloats } from "../../src/core/template/variables.ts";

/**
 * Templates with what Jinja2 3.1.6 on Python 3.11 makes of them, with `trim_blocks`, `lstrip_blocks` and
 * `q = lambda value: shlex.quote(str(value))`; `error` is the class that it raises.
 */
interface Case {
  readonly template: string;
  readonly context: JsonObject;
  readonly result?: string;
  readonly error?: string;
}

/** What Jinja2 renders, but we refuse when the template is parsed. A longer list is a step back. */
const REFUSED: ReadonlySet<string> = new Set([
  // The result depends on the computer, on the version of Python, or on tables that JavaScript does not have.
  "{{ 2 ** 0.5 }}",
  "{{ 1.1 ** 10 }}",
  "{{ [0.1,0.2,0.3]|sum }}",
  "{{ '\\N{SNOWMAN}' }}",
  "{{ 'ǆ'|capitalize }}",
  "{{ 'ﬁx'|capitalize }}",
  // Floats that are not numbers, or infinite literals.
  "{{ 'nan'|float }}",
  "{{ 1e400 }}",
  // Attributes of Python objects.
  "{{ 1.real }}",
  "{{ '{0.real}'.format(1) }}",
  "{{ d.__proto__ }}",
  // What no command has needed yet.
  "{{ '{:,}'.format(1234567) }}",
  "{{ '{}{}'.format(*pairs) }}",
  "{{ ['a','b']|map('format') |list }}",
  "{{ xs[] }}",
  "{% block x %}y{% endblock %}",
  "{% set c = joiner(',') %}{{ c() }}a{{ c() }}b{{ c() }}",
  "{% set c = cycler('a','b') %}{{ c.next() }}",
  "{% set loop = 1 %}{{ loop }}",
  "{% raw %}{{ a }} {% if %}{% endraw %}|{%- raw -%}  {{ b }}  {%- endraw -%} | {% raw %}",
]);

/** What Jinja2 renders, but ends in an error here, because only the variables tell. */
const FAILING: ReadonlySet<string> = new Set(["{{ n.real }}"]);

const { value, floats } = parseJsonWithFloats(readFileSync(join(import.meta.dir, "template_cases.json"), "utf8"));
const cases = value as unknown as readonly Case[];

/** What becomes of a case here, in the words of a case. */
function outcome({ template, context }: Case, index: number): string {
  const prefix = `/${index}/context`;
  const written = [...floats].filter((pointer) => pointer.startsWith(`${prefix}/`));
  try {
    const parsed = parseCommandTemplate(template);
    return `renders ${parsed.render(context, new Set(written.map((pointer) => pointer.slice(prefix.length))))}`;
  } catch (error) {
    if (error instanceof TemplateSyntaxError) return "is refused";
    if (error instanceof TemplateRenderError) return "fails";
    throw error;
  }
}

describe("a command template against Jinja2", () => {
  test("has hundreds of cases, each once", () => {
    expect(cases.length).toBeGreaterThan(500);
    expect(new Set(cases.map(({ template, context }) => template + JSON.stringify(context))).size).toBe(cases.length);
  });

  for (const [index, example] of cases.entries()) {
    const { template, result } = example;
    const name = JSON.stringify(template.length > 90 ? `${template.slice(0, 90)}…` : template);
    if (REFUSED.has(template)) {
      test(`${name} is refused, as listed`, () => expect(outcome(example, index)).toBe("is refused"));
    } else if (FAILING.has(template)) {
      test(`${name} fails, as listed`, () => expect(outcome(example, index)).toBe("fails"));
    } else if (result !== undefined) {
      test(`${name} renders the same`, () => expect(outcome(example, index)).toBe(`renders ${result}`));
    } else {
      test(`${name} is an error in both`, () => expect(["is refused", "fails"]).toContain(outcome(example, index)));
    }
  }

  test("lists no refusal that is not a case", () => {
    const templates = new Set(cases.map(({ template }) => template));
    expect([...REFUSED, ...FAILING].filter((template) => !templates.has(template))).toEqual([]);
  });
});
