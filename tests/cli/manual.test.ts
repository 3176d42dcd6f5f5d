import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { MANUAL_PAGES } from "../../src/cli/manual.ts";
import { bold, filled, roffText, tagged } from "../../src/cli/roff.ts";
import { VARIABLES } from "../../src/config/variables.ts";
import { tempDir } from "../support/temp_dir.ts";

const ROOT = resolve(import.meta.dir, "../..");

function bartender(...args: readonly string[]): string {
  const env = { PATH: process.env.PATH ?? "", SOURCE_DATE_EPOCH: "86400" };
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(ROOT, "src/main.ts"), ...args], {
    encoding: "utf8",
    env,
  });
  if (status !== 0) throw new Error(`bartender ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** A page as a person reads it, in one line. */
function read(page: string): string {
  const { stdout } = spawnSync("mandoc", ["-T", "utf8"], { input: page, encoding: "utf8" });
  // On a terminal letters are made bold and underlined by going back.
  const struck = stdout.split("\b").map((part, at, { length }) => (at < length - 1 ? part.slice(0, -1) : part));
  return struck.join("").replaceAll("\u2010\n", "").replaceAll(/\s+/g, " ");
}

describe("the manual", () => {
  for (const page of MANUAL_PAGES) {
    test(`page ${page} has no fault that mandoc or groff finds`, () => {
      using dir = tempDir();
      const file = join(dir.path, page);
      const text = bartender("manual", page);
      writeFileSync(file, text);
      const mandoc = spawnSync("mandoc", ["-T", "lint", "-W", "style", file], { encoding: "utf8" });
      expect({ status: mandoc.status, output: mandoc.stdout + mandoc.stderr }).toEqual({ status: 0, output: "" });
      const groff = spawnSync("groff", ["-man", "-ww", "-z", "-Tutf8", file], { encoding: "utf8" });
      expect({ status: groff.status, output: groff.stdout + groff.stderr }).toEqual({ status: 0, output: "" });
      expect(text).toContain(" 1970-01-02 ");
    });
  }

  test("a page with a fault does not pass", () => {
    const { status } = spawnSync("mandoc", ["-T", "lint", "-W", "style"], { input: ".TH X 1\n.SH NAME\n\\fQx\n" });
    expect(status).not.toBe(0);
  });

  test("bartender(1) has every command and option that a shell completes, and every variable", () => {
    const page = read(bartender("manual"));
    // Completions are made of the help, too.
    const lines = [...bartender("completion", "fish").matchAll(/\(__bartender_at\) = '(.*?)'" (?:-l|-f -a) ([\w-]+)/g)];
    expect(lines.length).toBeGreaterThan(100);
    for (const [line, at = "", word = ""] of lines) {
      if (word === "help") continue;
      const isOption = line.includes(" -l ");
      expect(page).toContain(isOption ? ` --${word}` : `bartender ${at === "" ? "" : `${at} `}${word} `);
    }
    for (const { name } of VARIABLES) expect(page).toContain(name);
  });

  test("bartender-config(5) has every key of the schema", () => {
    const page = read(bartender("manual", "bartender-config"));
    const keys = [...readFileSync(join(ROOT, "config.schema.json"), "utf8").matchAll(/^ +"(\w+)": \{/gm)];
    const own = new Set(["properties", "patternProperties", "items", "propertyNames", "default", "local", "type"]);
    for (const [, key = ""] of keys) if (!own.has(key)) expect(page).toContain(` ${key} `);
  });
});

describe("text of a manual page", () => {
  test("is never taken for a request or an escape", () => {
    expect(roffText("a\\b 'c' --d …")).toBe("a\\eb \\(aqc\\(aq \\-\\-d \\[u2026]");
    expect(filled(".de x")).toBe("\\&.de x\n");
    expect(tagged(bold("--x"), "y")).toBe(".TP\n\\fB\\-\\-x\\fR\ny\n");
  });

  test("is broken into short lines, none of which begins with a dot", () => {
    const lines = filled(`${"word ".repeat(15)}xx .y ${"word ".repeat(15)}`)
      .trimEnd()
      .split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.filter((line) => line.startsWith("."))).toEqual([]);
  });
});

test("the README explains every variable that is read", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const short = (name: string): string => name.replace(/^BARTENDER_(DB|METRICS)/, "");
  for (const { name } of VARIABLES) {
    expect([name, short(name)].some((spelling) => readme.includes(`\`${spelling}\``))).toBe(true);
  }
});
