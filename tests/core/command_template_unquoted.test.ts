import { describe, expect, test } from "bun:test";
import { parseCommandTemplate } from "../../src/core/command_template.ts";

function unquoted(template: string, plainVariables: readonly string[] = []): readonly string[] {
  return parseCommandTemplate(template, plainVariables).unquotedExpressions.map(({ expression }) => expression);
}

describe("unquotedExpressions", () => {
  test("tells line and column of the expression", () => {
    const { unquotedExpressions } = parseCommandTemplate("echo {{ a|q }}\n  {{ b }}");
    expect(unquotedExpressions).toEqual([{ expression: "b", line: 2, column: 6 }]);
  });

  test.each([
    ["{{ a|q }}"],
    ["{{ 'x' }} {{ 5 }}"],
    ["{{ a|map('q')|join(' ') }}"],
    ["{{ a|q if b else 'x' }}"],
    ["{% for x in a %}{{ x|q }}{{ ' ' if not loop.last }}{{ loop.index }}{% endfor %}"],
    ["{% set f = {'a':'-a'}[b] -%}{{ f }}"],
    ["{{ {'a':'-a'}.get(b, '-z') }}"],
    ["{{ '--n ' ~ (a|q) }}"],
    ["{% if a %}{% set x = '-r' %}{% else %}{% set x = '' %}{% endif %}{{ x }}"],
    ["{% set x = '' %}{% if a %}{% set x = '-r' %}{% endif %}{{ x }}"],
    ["{% set ns = namespace(s='') %}{% for f in fs %}{% set ns.s = ns.s ~ ' ' ~ f|q %}{% endfor %}{{ ns.s }}"],
    ["{% set ps = [] %}{% if a %}{% set _ = ps.append('-x ' ~ a|q) %}{% endif %}{{ ps|join(' ') }}"],
    ["{% set x %}{{ a }}{% endset %}{{ x|q }}"],
    ["{% set x %}-f {{ a|q }}{% endset %}{{ x }}"],
    ["{% filter q %}{{ a }}{% endfilter %}"],
    ["{% filter upper %}{{ a|q }}{% endfilter %}"],
    ["{{ a|int }} {{ a|length }} {{ a|float }} {{ a == b }} {{ not a }} {{ a is defined }} {{ a - 1 }} {{ -a }}"],
    ["{% for k in ['a','b'] %}{{ k }}{% endfor %}{% for k, v in {'a': '-a'}.items() %}{{ k }}{{ v }}{% endfor %}"],
    ["{% for i in range(n) %}{{ i }}{% endfor %}{{ ['a','b'][n] }}"],
    ["{% set x, y = a|q, 'k' %}{{ x }}{{ y }}"],
    ["{% for x in a|map('q') %}{{ x }} {% endfor %}{{ a|map('q')|first }} {{ [a|q, '-b']|join(' ') }}"],
    ["{{ 'x' * n }}{{ n|round(1) }}{{ n|abs }}"],
    ["{{ a|string|q|trim }}"],
  ])("is empty for %s", (template) => {
    expect(unquoted(template)).toEqual([]);
  });

  test.each<[template: string, expected: readonly string[]]>([
    ["{{ a }}", ["a"]],
    ["{{ a|map('q')|join(b) }}", ["a|map('q')|join(b)"]],
    ["{{ a if b else 'x' }}", ["a if b else 'x'"]],
    ["{% for x in a %}{{ x }}{% endfor %}", ["x"]],
    ["{% set f = {'a':b}['a'] -%}{{ f }}", ["f"]],
    ["{{ '--n ' ~ a }}", ["'--n ' ~ a"]],
    ["{% if a %}{% set x = '-r' %}{% endif %}{{ x }}", ["x"]],
    [
      "{% set ns = namespace(s='') %}{% for f in fs %}{{ ns.s }}{% set ns.s = ns.s ~ ' ' ~ f %}{% endfor %}{{ ns.s }}",
      ["ns.s", "ns.s"],
    ],
    ["{% set ps = [] %}{% if a %}{% set _ = ps.append(a) %}{% endif %}{{ ps|join(' ') }}", ["ps|join(' ')"]],
    ["{% set x %}{{ a }}{% endset %}{{ x }}", ["x"]],
    ["{% filter upper %}{{ a }}{% endfilter %}", ["a"]],
    ["{% filter replace('a','b') %}{{ a|q }}{% endfilter %}", ["replace('a','b')"]],
    ["{% macro m(x) %}-x {{ x }}{% endmacro %}{{ m(1) }}{{ m(a|q) }}{{ m(a) }}{{ m(a)|q }}", ["m(a)"]],
    ["{{ a|int(b) }}", ["a|int(b)"]],
    ["{{ a + b }}", ["a + b"]],
    [
      "{{ '%d' % a }} {{ '%05.2f' % a }} {{ '%s' % a }} {{ '%s' % (a|q) }} {{ '%.2s' % (a|q) }}",
      ["'%s' % a", "'%.2s' % (a|q)"],
    ],
    ["{{ '{}'.format(a|q) }} {{ '{:d}'.format(a) }} {{ '{}'.format(a) }}", ["'{}'.format(a)"]],
    ["{{ (a|q)[1:] }}", ["(a|q)[1:]"]],
    ["{{ a|q|replace('x','y') }}", ["a|q|replace('x','y')"]],
    ["{{ a|default('x') }} {{ a|default('x')|q }}", ["a|default('x')"]],
    ["{{ a|tojson }} {{ a|tojson|q }}", ["a|tojson"]],
    ["{% for k, v in d.items() %}{{ k }}={{ v|q }}{% endfor %}", ["k"]],
    ["{{ a and '--flag' }} {{ a or 'x' }}", ["a or 'x'"]],
    ["{% with x = a|q %}{{ x }}{% endwith %}{{ x }}", ["x"]],
    ["{{ 'a,b'.split(',')|join(' ') }} {{ ' '.join(a|map('q')) }} {{ ' '.join(a) }}", ["' '.join(a)"]],
    ["'{{ a }}'", ["a"]],
    ["{{ loop }}{{ loop.index }}", ["loop", "loop.index"]],
    ["{% print a, 'b' %}", ["a, 'b'"]],
    ["{% for x in a %}{% set y = x|q %}{{ y }}{{ loop.previtem }}{% endfor %}", ["loop.previtem"]],
    ["{{ n % 2 }}", ["n % 2"]],
    ["{{ a|e }}", ["a|e"]],
    ["{% set ns = namespace(s=a) %}{{ ns.s }}", ["ns.s"]],
    ["{% macro m(x) %}{{ x }}{{ m(x) }}{% endmacro %}{{ m(1) }}", ["m(1)"]],
  ])("finds what gets out of %s", (template, expected) => {
    expect(unquoted(template)).toEqual(expected);
  });

  test("trusts variables that are known to be plain", () => {
    expect(unquoted("{{ n }} {{ a }}", ["n"])).toEqual(["a"]);
    expect(unquoted("{% for n in a %}{{ n }}{% endfor %}{{ n }}", ["n"])).toEqual(["n"]);
  });
});
