/** One value of a metric. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric as its HELP and TYPE lines introduce it. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = String.raw`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"`;
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{(${LABEL}(?:,${LABEL})*,?)\})? (\S+)$`);
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;

/**
 * Reads the text format of Prometheus, version 0.0.4, and is strict about it: every sample stands below the HELP and
 * TYPE lines of its metric, no metric comes twice, no series twice, and the buckets of a histogram are cumulative, end in
 * `+Inf` and agree with its count.
 *
 * @throws an error that names the line
 */
export function parsePrometheusText(text: string): ReadonlyMap<string, MetricFamily> {
  if (!text.endsWith("\n")) throw new Error("the text does not end with a line feed");
  const families = new Map<string, MetricFamily & { readonly samples: Sample[] }>();
  const series = new Set<string>();
  let current: (MetricFamily & { readonly samples: Sample[] }) | undefined;
  let help: { readonly name: string; readonly text: string } | undefined;
  for (const [index, line] of text.slice(0, -1).split("\n").entries()) {
    const fail = (why: string): never => {
      throw new Error(`line ${index + 1}: ${why}: ${line}`);
    };
    if (line === "") continue;
    const [, helped, helpText = ""] = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line) ?? [];
    const [, typed, type] = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line) ?? [];
    if (helped !== undefined) {
      if (families.has(helped)) fail("a metric comes twice");
      help = { name: helped, text: helpText };
    } else if (typed !== undefined) {
      if (help?.name !== typed) return fail("a type without its help");
      current = { name: typed, help: help.text, type: type as MetricFamily["type"], samples: [] };
      families.set(typed, current);
    } else {
      const sample = parseSample(line) ?? fail("neither a sample nor a comment that is known");
      if (current === undefined || baseName(sample.name, current.type) !== current.name) {
        return fail("a sample outside of its metric");
      }
      const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (series.has(key)) fail("a series comes twice");
      series.add(key);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

function parseSample(line: string): Sample | undefined {
  const match = SAMPLE.exec(line);
  const [name, labelText = "", value] = [match?.[1], match?.[2], match?.at(-1)];
  if (name === undefined || value === undefined || !VALUE.test(value)) return undefined;
  const pairs = [...labelText.matchAll(new RegExp(LABEL, "g"))].map(
    ([, label = "", content = ""]) => [label, content.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))] as const,
  );
  if (new Set(pairs.map(([label]) => label)).size < pairs.length) return undefined;
  return { name, labels: Object.fromEntries(pairs), value: Number(value.replace("Inf", "Infinity")) };
}

function baseName(name: string, type: MetricFamily["type"]): string {
  return type === "histogram" ? name.replace(/_(?:bucket|sum|count)$/, "") : name;
}

function checkHistogram({ name, samples }: MetricFamily): void {
  const counts = new Map<string, { last: number; bound: number }>();
  const keyOf = ({ le: _, ...labels }: Readonly<Record<string, string>>) =>
    JSON.stringify(Object.entries(labels).sort());
  for (const { labels, value, name: part } of samples) {
    const key = keyOf(labels);
    if (part.endsWith("_bucket")) {
      const before = counts.get(key) ?? { last: 0, bound: -Infinity };
      const bound = Number(labels.le?.replace("Inf", "Infinity"));
      if (!(bound > before.bound) || value < before.last) throw new Error(`${name}: buckets are not cumulative`);
      counts.set(key, { last: value, bound });
    } else if (part.endsWith("_count")) {
      const buckets = counts.get(key);
      if (buckets?.bound !== Infinity || buckets.last !== value) throw new Error(`${name}: count and buckets differ`);
    }
  }
}
