import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadPicker } from "../../../adapters/destination_picker/load.ts";
import type { DestinationPickerConfig } from "../../../src/config/config.ts";
import { PickError, type PickerDestination } from "../../../src/core/destination_picker.ts";
import { anApplication } from "../../support/application_builder.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";

const LOCAL: PickerDestination = { scheduler: { type: "memory" }, fileSystem: { type: "local" } };

function load(destinationPicker: DestinationPickerConfig, clock = new ManualClock()) {
  const config = {
    applications: new Map(["wc", "size"].map((name) => [name, anApplication(name)])),
    destinations: new Map(["small", "large"].map((name) => [name, LOCAL])),
    destinationPicker,
    jobRootDir: "/srv/jobs",
  };
  return loadPicker(config, clock);
}

function builtIn(name: "pick_first" | "pick_round" | "pick_byname") {
  return load({ kind: "builtin", name, text: `bartender.picker:${name}` });
}

function custom(dir: TempDir, source: string, exportName = "pick", file = "picker.ts", clock = new ManualClock()) {
  const path = join(dir.path, file);
  writeFileSync(path, source);
  return load({ kind: "module", path, exportName, text: `${file}:${exportName}` }, clock);
}

const request = { jobDir: "/srv/jobs/1", application: "wc", submitter: "alice" };

describe("a custom picker that never answers", () => {
  test("fails after 30 s, and an answer in time needs none of them", async () => {
    using dir = tempDir();
    const clock = new ManualClock();
    const never = await custom(dir, "export const pick = () => new Promise(() => {})", "pick", "never.ts", clock);
    const picked = never.pick(request).then(
      () => "answered",
      (error: unknown) => (error instanceof PickError ? error.message : error),
    );
    await clock.advance(29_999);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    expect(await picked).toBe("Destination picker failed: no answer within 30 s");
    const quick = await custom(dir, 'export const pick = async () => "small"', "pick", "quick.ts", clock);
    expect(await quick.pick(request)).toBe("small");
    expect(clock.pending).toBe(0);
  });
});

describe("loadPicker() with a built-in picker", () => {
  test("pick_first answers the first destination every time", async () => {
    const picker = await builtIn("pick_first");
    expect([await picker.pick(request), await picker.pick(request)]).toEqual(["small", "small"]);
  });

  test("says before what it will choose, where only the application counts", async () => {
    expect((await builtIn("pick_first")).foresee?.("wc")).toBe("small");
    // No destination has that name, which is told to the job.
    expect((await builtIn("pick_byname")).foresee?.("wc")).toBeUndefined();
    const round = await builtIn("pick_round");
    expect(round.foresee?.("wc")).toBeUndefined();
    expect(await round.pick(request)).toBe("small");
  });

  test("pick_round counts its own jobs", async () => {
    const [one, other] = [await builtIn("pick_round"), await builtIn("pick_round")];
    expect([await one.pick(request), await one.pick(request), await one.pick(request)]).toEqual([
      "small",
      "large",
      "small",
    ]);
    expect(await other.pick(request)).toBe("small");
  });

  test("a rule without an answer rejects with the reason", async () => {
    const picker = await builtIn("pick_byname");
    await expect(picker.pick(request)).rejects.toThrow('no destination is named like the application "wc"');
  });
});

describe("loadPicker() with a module", () => {
  test("a synchronous TypeScript export picks", async () => {
    using dir = tempDir();
    const source =
      "export function pick(dir: string, name: string): string { return name === 'wc' ? 'large' : 'small'; }";
    const picker = await custom(dir, source);
    expect(await picker.pick(request)).toBe("large");
    expect(await picker.pick({ ...request, application: "size" })).toBe("small");
  });

  test("an asynchronous export picks", async () => {
    using dir = tempDir();
    const picker = await custom(dir, "export const choose = async () => 'large';", "choose", "async.mjs");
    expect(await picker.pick(request)).toBe("large");
  });

  test("a CommonJS file may be used", async () => {
    using dir = tempDir();
    writeFileSync(join(dir.path, "package.json"), "{}");
    const picker = await custom(dir, "module.exports = { pick: () => 'large' };", "pick", "common.js");
    expect(await picker.pick(request)).toBe("large");
  });

  test("it is called with job directory, application, user and context", async () => {
    using dir = tempDir();
    const picker = await custom(
      dir,
      "export const seen = []; export function pick(...args) { seen.push(args); return 'small'; }",
      "pick",
      "seen.js",
    );
    await picker.pick(request);
    const { seen } = await import(join(dir.path, "seen.js"));
    const [jobDir, name, user, context] = seen[0];
    expect([jobDir, name]).toEqual(["/srv/jobs/1", "wc"]);
    expect(user).toEqual({ username: "alice", roles: [], apikey: "" });
    expect([...context.applications.keys()]).toEqual(["wc", "size"]);
    expect([...context.destinations.entries()]).toEqual([
      ["small", LOCAL],
      ["large", LOCAL],
    ]);
    expect(context.job_root_dir).toBe("/srv/jobs");
    expect(context.destination_picker).toBe("seen.js:pick");
  });

  test("a picker that empties the maps of its context does not harm the next call", async () => {
    using dir = tempDir();
    const picker = await custom(
      dir,
      "export function pick(a, b, c, context) { const [name] = context.destinations.keys(); context.destinations.clear(); return name; }",
      "pick",
      "greedy.js",
    );
    expect([await picker.pick(request), await picker.pick(request)]).toEqual(["small", "small"]);
  });

  test.each([
    ["throw new Error('disk on fire')", "Destination picker failed: disk on fire"],
    ["return Promise.reject(new Error('too late'))", "Destination picker failed: too late"],
    ["return 42", "Destination picker should answer the name of a destination, got number"],
    ["return null", "Destination picker should answer the name of a destination, got null"],
    ["", "Destination picker should answer the name of a destination, got undefined"],
    ["return 'huge'", 'Destination picker answered "huge", which is not one of: small, large'],
    ["return 'constructor'", 'Destination picker answered "constructor", which is not one of: small, large'],
  ])("pick() rejects when the function does: %s", async (body, message) => {
    using dir = tempDir();
    const picker = await custom(dir, `export function pick() { ${body} }`);
    await expect(picker.pick(request)).rejects.toMatchObject({ name: "PickError", message });
  });

  test.each([
    ["export const other = () => 'small';", "has no export pick, it exports other"],
    ["export const pick = 'small';", "exports pick, which is not a function"],
    ["export default {};", "has no export pick, it exports default"],
    ["this is no code", "cannot be loaded"],
    ["throw new Error('no licence');", "cannot be loaded: no licence"],
    ["import './missing.ts'; export const pick = () => 'small';", "cannot be loaded"],
  ])("loadPicker() refuses the module: %s", async (source, message) => {
    using dir = tempDir();
    const loading = custom(dir, source);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toMatchObject({ name: "PickerLoadError", code: "picker_not_loaded" });
  });

  test("a file that vanished is refused with its path", async () => {
    using dir = tempDir();
    const path = join(dir.path, "gone.ts");
    const loading = load({ kind: "module", path, exportName: "pick", text: "gone.ts:pick" });
    await expect(loading).rejects.toThrow(path);
  });
});
