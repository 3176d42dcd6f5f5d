import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { THREADS } from "./support/built_program.ts";

const root = resolve(import.meta.dir, "..");

/** Layers, the more specific path first. */
const LAYERS = [
  ["main", /^src\/(main\.ts$|commands\/)/],
  [
    "daemon",
    /^src\/(daemon|assembly|clean_up_now|console_door|follow_client_files|front_door|live_config|live_edge|places|reload|observe_actors|performer|performer_guard|probe_destinations|writer_locks)\.ts$/,
  ],
  ["core", /^src\/core\//],
  ["ports", /^src\/ports\//],
  ["config", /^src\/config\//],
  ["edges", /^src\/(http|console|cli)\//],
  ["files", /^src\/files\//],
  ["runtime", /^src\/runtime\//],
  ["kernel", /^actors\/kernel\//],
  ["actors", /^actors\//],
  ["adapters", /^adapters\//],
] as const;

type Layer = (typeof LAYERS)[number][0];

/** Which layers a layer may import beside itself; the last column says what else. */
const ALLOWED: Record<Layer, { readonly layers: readonly Layer[]; readonly outside: RegExp }> = {
  core: { layers: [], outside: /^$/ },
  ports: { layers: ["core"], outside: /^$/ },
  config: {
    layers: ["core"],
    outside: /^(node:(fs|os|path|util|net|url)(\/promises)?|yaml|typebox(\/.*)?|ajv(\/.*)?)$/,
  },
  files: { layers: ["ports"], outside: /^node:(buffer|child_process|crypto|fs|path|timers|util)(\/promises)?$/ },
  kernel: { layers: ["ports"], outside: /^$/ },
  actors: { layers: ["kernel", "core", "ports"], outside: /^$/ },
  adapters: { layers: ["core", "ports", "config", "files"], outside: /^[a-z@]/ },
  edges: {
    layers: ["core", "ports", "config", "files"],
    outside: /^(node:[a-z_/]+|hono(\/.*)?|commander|jose|yauzl|fflate)$/,
  },
  runtime: { layers: ["ports"], outside: /^node:/ },
  daemon: {
    layers: ["core", "ports", "config", "edges", "runtime", "kernel", "actors", "adapters"],
    outside: /^node:/,
  },
  main: {
    layers: ["core", "ports", "config", "edges", "runtime", "kernel", "actors", "adapters", "daemon"],
    outside: /^(node:[a-z_/]+|commander|pino)$/,
  },
};

const STATIC_IMPORT = /^(?:import|export)\s[^"';]*?\sfrom\s+"([^"]+)"/gm;
/** Of more than types: what is loaded with the module. */
const LOADING_IMPORT = /^(?:import|export)\s(?!type\s)[^"';]*?\sfrom\s+"([^"]+)"/gm;
const BARE_IMPORT = /^import\s+"([^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*"([^"]+)"/g;

interface Source {
  readonly path: string;
  readonly layer: Layer;
  readonly text: string;
  /** Specifiers as written; relative ones resolved to a path below the root. */
  readonly imports: readonly string[];
  /** Those of them that are loaded with it. */
  readonly loads: readonly string[];
}

function layerOf(path: string): Layer | undefined {
  return LAYERS.find(([, pattern]) => pattern.test(path))?.[0];
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const layer = layerOf(path);
  if (layer === undefined) throw new Error(`${path} belongs to no layer`);
  const found = (...patterns: readonly RegExp[]): readonly string[] =>
    patterns
      .flatMap((pattern) => [...text.matchAll(pattern)])
      .map(([, specifier = ""]) =>
        specifier.startsWith(".") ? relative(root, resolve(root, dirname(path), specifier)) : specifier,
      );
  const imports = found(STATIC_IMPORT, BARE_IMPORT, DYNAMIC_IMPORT);
  return { path, layer, text, imports, loads: found(LOADING_IMPORT, BARE_IMPORT) };
}

const sources: readonly Source[] = ["src", "actors", "adapters"].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read(join(top, file))),
);

/** Code without comments and texts, so that a word in an explanation is no finding. */
function codeOf(source: Source): string {
  return source.text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\/\/.*$/gm, "")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
}

/** What is loaded with a module, in turn. */
function librariesOf(path: string): readonly string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const loaded = new Set([path]);
  for (const one of loaded) for (const next of byPath.get(one)?.loads ?? []) loaded.add(next);
  return [...loaded].filter((specifier) => !/^node:|\.(ts|json)$/.test(specifier));
}

describe("the architecture", () => {
  test("is read from real files", () => {
    expect(sources.length).toBeGreaterThan(20);
    expect(sources.find(({ path }) => path === "src/daemon.ts")?.imports).toContain("actors/tree.ts");
    expect(new Set(sources.map(({ layer }) => layer))).toEqual(new Set(LAYERS.map(([layer]) => layer)));
  });

  test("lets each layer import only what its row allows", () => {
    const findings = sources.flatMap(({ path, layer, imports }) =>
      imports.flatMap((specifier) => {
        const target = layerOf(specifier);
        const isFile = specifier.endsWith(".ts") || specifier.endsWith(".json");
        if (isFile && target === undefined) {
          return specifier === "package.json" ? [] : [`${path} imports ${specifier}, which belongs to no layer`];
        }
        if (target !== undefined) {
          return target === layer || ALLOWED[layer].layers.includes(target) ? [] : [`${path} imports ${specifier}`];
        }
        return ALLOWED[layer].outside.test(specifier) ? [] : [`${path} imports ${specifier}`];
      }),
    );
    expect(findings).toEqual([]);
  });

  test("has no import cycles", () => {
    const byPath = new Map(sources.map((source) => [source.path, source]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
        return;
      }
      if (done.has(path)) return;
      for (const next of byPath.get(path)?.imports ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const { path } of sources) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test("begins every command without any library but that of the command line", () => {
    expect(librariesOf("src/main.ts")).toEqual(["commander"]);
  });

  test("loads the libraries of SSH and Redis only for destinations that use them", () => {
    const libraries = librariesOf("src/daemon.ts");
    expect(libraries).toContain("hono");
    for (const library of ["ssh2", "bullmq", "redis"]) expect(libraries).not.toContain(library);
    expect(librariesOf("src/performer.ts")).not.toContain("ssh2");
  });

  test("has every thread in the list of those that are put into the executable", () => {
    const found = sources
      .filter(({ text }) => text.includes('import { Worker } from "node:worker_threads"'))
      .map(({ path, text }) => {
        const name = /new URL\("(\.[^"]+)", import\.meta\.url\)/.exec(text)?.[1] ?? `what ${path} starts`;
        return join(dirname(path), name);
      });
    expect(found.toSorted()).toEqual(THREADS);
  });

  test("keeps clock, chance and environment out of core, actors and edges", () => {
    const forbidden = /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bsetTimeout\b|\bsetInterval\b|\bprocess\.env\b/;
    const findings = sources
      .filter(({ layer }) => ["core", "ports", "files", "kernel", "actors", "edges", "config"].includes(layer))
      .filter((source) => forbidden.test(codeOf(source)))
      .map(({ path }) => path);
    expect(findings).toEqual([]);
  });

  test("names Bun and Deno only in the runtime layer", () => {
    const findings = sources
      .filter(({ layer }) => layer !== "runtime")
      .filter((source) => /\b(Bun|Deno)\b/.test(codeOf(source)))
      .map(({ path }) => path);
    expect(findings).toEqual([]);
  });
});
