import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { BartenderMetrics } from "../../../adapters/metrics/bartender_metrics.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { parsePrometheusText } from "../../support/prometheus_text.ts";

const DOCS = resolve(import.meta.dir, "../../../docs");

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }[];
  readonly templating: { readonly list: readonly { readonly query: string | { readonly query: string } }[] };
}

const dashboard = JSON.parse(readFileSync(`${DOCS}/grafana/bartender.json`, "utf8")) as Dashboard;
const monitoring = readFileSync(`${DOCS}/monitoring.md`, "utf8");

/** All names that a query may have, those of the parts of histograms among them. */
async function existing(): Promise<ReadonlySet<string>> {
  const metrics = new BartenderMetrics(new ManualClock(), { version: "1", runtime: "test" });
  const page = parsePrometheusText((await metrics.scrape()).text);
  metrics.close();
  return new Set(
    [...page.values()].flatMap(({ name, type }) =>
      type === "histogram" ? ["_bucket", "_sum", "_count"].map((part) => name + part) : [name],
    ),
  );
}

function namesIn(text: string): readonly string[] {
  return [...new Set(text.match(/\b(?:bartender|process)_[a-z_]+/g) ?? [])];
}

const queries = [
  ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.map(({ query }) => (typeof query === "string" ? query : query.query)),
];
const alerts = /```yaml\ngroups:[\s\S]*?```/.exec(monitoring)?.[0] ?? "";

describe("the dashboard and the alerts", () => {
  test("ask only for metrics that exist", async () => {
    const names = await existing();
    expect(queries.length).toBeGreaterThan(20);
    expect(namesIn(alerts).length).toBeGreaterThan(5);
    const unknown = [...queries, alerts].flatMap(namesIn).filter((name) => !names.has(name));
    expect(unknown).toEqual([]);
  });

  test("show every metric on some panel, and the guide names each", async () => {
    const names = [...(await existing())];
    const base = (name: string) => name.replace(/_(?:bucket|sum|count)$/, "");
    const shown = new Set(queries.flatMap(namesIn).map(base));
    const told = new Set(namesIn(monitoring).map(base));
    expect(names.map(base).filter((name) => !shown.has(name))).toEqual([]);
    expect(names.map(base).filter((name) => !told.has(name))).toEqual([]);
  });

  test("have panels that do not overlap", () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  test("balance their brackets", () => {
    for (const query of queries) {
      for (const [open, close] of ["()", "{}", "[]"].map((pair) => [...pair] as [string, string])) {
        expect([query, query.split(open).length]).toEqual([query, query.split(close).length]);
      }
    }
  });
});
