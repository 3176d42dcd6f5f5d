import { describe, expect, test } from "bun:test";
import { parsePrometheusText } from "./prometheus_text.ts";

const HEAD = "# HELP a_total What.\n# TYPE a_total counter\n";
const HISTOGRAM = "# HELP h_seconds What.\n# TYPE h_seconds histogram\n";

describe("parsePrometheusText()", () => {
  test("reads samples with labels, escapes and all kinds of numbers", () => {
    const page = parsePrometheusText(`${HEAD}a_total{x="a\\"b\\\\c\\n",y="2"} 1.5e3\na_total{x="z"} NaN\n`);
    expect(page.get("a_total")?.samples).toEqual([
      { name: "a_total", labels: { x: 'a"b\\c\n', y: "2" }, value: 1500 },
      { name: "a_total", labels: { x: "z" }, value: Number.NaN },
    ]);
  });

  test.each([
    ["no line feed at the end", `${HEAD}a_total 1`],
    ["a sample without a type", "a_total 1\n"],
    ["a type without help", "# TYPE a_total counter\n"],
    ["a metric that comes twice", HEAD + HEAD],
    ["a series that comes twice", `${HEAD}a_total 1\na_total 2\n`],
    ["a label that comes twice", `${HEAD}a_total{x="1",x="2"} 1\n`],
    ["a value that is no number", `${HEAD}a_total one\n`],
    ["an open label", `${HEAD}a_total{x="1} 1\n`],
    ["a bare label", `${HEAD}a_total{x=1} 1\n`],
    ["buckets that fall", `${HISTOGRAM}h_seconds_bucket{le="1"} 2\nh_seconds_bucket{le="+Inf"} 1\nh_seconds_count 1\n`],
    ["a count beside its buckets", `${HISTOGRAM}h_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 2\n`],
  ])("refuses %s", (_, text) => {
    expect(() => parsePrometheusText(text)).toThrow();
  });
});
