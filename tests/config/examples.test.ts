import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { parse } from "yaml";
import { configJsonSchema, configJsonSchemaText } from "../../src/config/json_schema.ts";
import { tempDir } from "../support/temp_dir.ts";
import { configOf, faultLines, faultsOf, loadIn } from "./support/load_text.ts";

const ROOT = join(import.meta.dir, "../..");

/** Configurations as they are in use. */
const EXAMPLES = {
  "choice by a form field, a restricted application, an interactive one": `
job_root_dir: /tmp/bartender/jobs
applications:
  wc: {command_template: wc README.md, upload_needs: [README.md]}
  size:
    summary: Estimate file space usage.
    command_template: >
      {% set flag = {'bytes': '-b', 'kilobytes': '-k', 'megabytes': '-m', 'human': '-h'}[format] -%}
      du -s {{ flag|q }} .
    input_schema:
      type: object
      additionalProperties: false
      properties:
        format: {type: string, enum: [bytes, kilobytes, megabytes, human], default: bytes}
  shutdown: {command_template: shutdown -h now, allowed_roles: [admin]}
interactive_applications:
  rescore:
    job_application: size
    timeout: 30
    command_template: >
      haddock3-re score --w_elec {{ w_elec|q }} --w_air {{ w_air|q }} {{ capri_dir|q }}
    input_schema:
      type: object
      additionalProperties: false
      required: [capri_dir, w_elec, w_air]
      properties: {capri_dir: {type: string}, w_elec: {type: number}, w_air: {type: number}}
`,
  "one destination of each kind": `
applications:
  wc: {command_template: wc README.md}
destinations:
  here:    {scheduler: {type: memory, slots: 1}, filesystem: {type: local}}
  atonce:  {scheduler: {type: eager}, filesystem: {type: local}}
  redis:   {scheduler: {type: arq, redis_dsn: "redis://localhost:6379", max_jobs: 1, job_timeout: PT12H},
            filesystem: {type: local}}
  cluster:
    scheduler:
      type: slurm
      partition: mypartition
      ssh_config: {hostname: localhost, port: 10022, username: xenon, password: javagat}
    filesystem:
      type: sftp
      entry: /home/xenon
      ssh_config: {hostname: localhost, port: 10022, username: xenon, password: javagat}
  grid:
    scheduler:  {type: dirac, storage_element: StorageElementOne, proxy: {log_level: DEBUG}}
    filesystem: {type: dirac, storage_element: StorageElementOne, proxy: {log_level: DEBUG},
                 lfn_root: /tutoVO/user/c/ciuser/bartenderjobs}
`,
  "production of the web client": `
destination_picker: bartender.picker:pick_byname
applications:
  haddock3: {command_template: haddock3 workflow.cfg, upload_needs: [workflow.cfg]}
  runimport: {command_template: mkdir -p output && mv * output || true}
interactive_applications:
  reclustfcc:
    command_template: >
      haddock3-re clustfcc --plot_matrix --clust_cutoff {{ clust_cutoff|q }} --strictness {{ strictness|q }}
      --min_population {{ min_population|q }} {{ clustfcc_dir|q }}
      && haddock3-analyse --is_cleaned True --inter True -m {{ module_nr|q }} -r output/
    input_schema:
      type: object
      additionalProperties: false
      required: [clustfcc_dir, clust_cutoff, strictness, min_population, module_nr]
      properties:
        module_nr: {type: number}
        clust_cutoff: {type: number}
        strictness: {type: number}
        min_population: {type: number}
        clustfcc_dir: {type: string}
  reclustrmsd:
    command_template: >
      haddock3-re clustrmsd --plot_matrix
      {% if criterion == 'maxclust' %}--n_clusters {{ n_clusters|q }}{% else %}--clust_cutoff {{ clust_cutoff|q }}{% endif %}
      {{ clustrmsd_dir|q }}
    input_schema:
      type: object
      required: [criterion, clustrmsd_dir]
      properties:
        criterion: {type: string, enum: [maxclust, distance]}
        n_clusters: {type: number}
        clust_cutoff: {type: number}
        clustrmsd_dir: {type: string}
destinations:
  haddock3: {scheduler: {type: arq, max_jobs: 1, job_timeout: PT12H}, filesystem: {type: local}}
  runimport: {scheduler: {type: eager}, filesystem: {type: local}}
`,
  "three sizes on one Redis": `
applications: {wc: {command_template: wc README.md}}
destinations:
  small: {scheduler: {type: arq, max_jobs: 10, job_timeout: PT5M}, filesystem: {type: local}}
  medium: {scheduler: {type: arq, queue: medium, max_jobs: 1, job_timeout: PT2H}, filesystem: {type: local}}
  large:
    scheduler:
      type: arq
      redis_dsn: rediss://user:password@redis.example.org:6379
      queue: large
      max_jobs: 2
      job_timeout: PT12H
    filesystem: {type: sftp, entry: /data, ssh_config: {hostname: head.example.org}}
`,
};

describe("configurations in use", () => {
  test.each(Object.entries(EXAMPLES))("%s", async (_, text) => {
    expect(await faultsOf(text)).toEqual([]);
  });

  test.each(Object.entries(EXAMPLES))("%s: editors see no fault either", (_, text) => {
    const validate = new Ajv2020({ strict: false }).compile(configJsonSchema());
    validate(parse(text));
    expect(validate.errors).toBeNull();
  });

  test("the minimum is an application", async () => {
    expect(await faultsOf("job_root_dir: /tmp/jobs\napplications: {wc: {command_template: wc README.md}}")).toEqual([]);
  });

  test("the choice by a form field works", async () => {
    const config = await configOf(EXAMPLES["choice by a form field, a restricted application, an interactive one"]);
    const size = config.applications.get("size");
    const command = (fields: Record<string, string>) => {
      const answer = size?.validateForm(fields);
      return answer?.isValid === true ? size?.command.render(answer.value) : answer?.violations;
    };
    expect(command({ format: "human" })).toBe("du -s -h .");
    expect(command({})).toBe("du -s -b .");
    expect(command({ format: "x" })).toEqual([
      "format: 'x' is not one of ['bytes', 'kilobytes', 'megabytes', 'human']",
    ]);
  });
});

describe("config-example.yaml", () => {
  const example = readFileSync(join(ROOT, "config-example.yaml"), "utf8");

  test("points editors to the schema and fits it", () => {
    expect(example).toStartWith("# yaml-language-server: $schema=./config.schema.json\n");
    const validate = new Ajv2020({ strict: false }).compile(
      JSON.parse(readFileSync(join(ROOT, "config.schema.json"), "utf8")),
    );
    validate(parse(example));
    expect(validate.errors).toBeNull();
  });

  test("loads with everything in it that is commented out", async () => {
    const lines = example.split("\n").slice(1);
    const uncommented = lines
      // Settings are written `# key: value` or `# - item`; sentences are longer or end in a full stop.
      .map((line) => (/^\s*# +(- |[\w-]+:( |$)|#)/.test(line) ? line.replace("# ", "") : line))
      .join("\n");
    using dir = tempDir();
    writeFileSync(join(dir.path, "picker.ts"), "export const pick = () => 'local';\n");
    writeFileSync(join(dir.path, "config.yaml"), uncommented.replace("/srv/bartender/jobs", join(dir.path, "jobs")));
    const result = await loadIn(dir.path, "accept");
    expect(faultLines(result)).toEqual([]);
    if (!result.isValid) return;
    expect([...result.config.destinations.keys()]).toEqual(["local", "atonce", "cluster", "lab", "grid"]);
    expect([...result.config.applications.keys()]).toEqual(["wc", "size", "cleanup"]);
    expect([...result.config.interactiveApplications.keys()]).toEqual(["head"]);
    expect(result.config.destinationPicker).toMatchObject({ kind: "module", exportName: "pick" });
    expect(result.config.limits.maxUploadBytes).toBe(10_000_000_000);
    expect(result.config.tokens.issuers).toEqual(["my-web-application"]);
    expect(result.config.commandEnvironment).toEqual(["LD_LIBRARY_PATH"]);
    expect(result.warnings).toEqual([]);
  });
});

describe("config.schema.json", () => {
  test("is what the description says (else run: ./bartender check-config --schema > config.schema.json)", () => {
    expect(readFileSync(join(ROOT, "config.schema.json"), "utf8")).toBe(configJsonSchemaText());
  });

  test("is a schema of draft 2020-12", () => {
    const ajv = new Ajv2020({ strict: false });
    expect(ajv.validateSchema(configJsonSchema())).toBe(true);
  });

  test("judges values of the right type as the service does", async () => {
    const validate = new Ajv2020({ strict: false }).compile(configJsonSchema());
    const value = fc.oneof(
      fc.integer({ min: -2, max: 100 }),
      fc.constantFrom("", "x", "INFO", "24:00", "redis://h", "PT5M", "a.b-c", "DEBUG", "/VO/user/c/ci/"),
      fc.boolean(),
      fc.constantFrom([], ["x"], ["x", "y"], {}, { hostname: "h" }),
    );
    const keys = (names: readonly string[]) =>
      fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3, noNullPrototype: true });
    const scheduler = fc.oneof(
      keys(["slots", "zzz"]).map((rest) => ({ type: "memory", ...rest })),
      keys(["max_load", "max_wait", "timeout"]).map((rest) => ({ type: "eager", ...rest })),
      keys(["partition", "extra_options", "submitter_as_account", "ssh_config"]).map((rest) => ({
        type: "slurm",
        ...rest,
      })),
      keys(["redis_dsn", "queue", "max_jobs", "job_timeout"]).map((rest) => ({ type: "arq", ...rest })),
      keys(["storage_element", "apptainer_image", "proxy"]).map((rest) => ({ type: "dirac", ...rest })),
      keys(["type"]),
    );
    const sensible: Record<string, object> = {
      dirac: { type: "dirac", storage_element: "x", lfn_root: "/VO/user/c/ci/" },
    };
    await fc.assert(
      fc.asyncProperty(
        scheduler,
        keys(["max_entries", "max_ratio"]),
        keys(["issuers", "allow_query"]),
        async (one, limits, tokens) => {
          const filesystem = sensible[String(one.type)] ?? { type: "local" };
          const file = {
            applications: { a: { command_template: "x" } },
            destinations: { x: { scheduler: one, filesystem } },
            limits,
            tokens,
          };
          // Leniency is about scalars of another type; only what has the declared type is compared.
          const text = JSON.stringify(file);
          const faults = await faultsOf(text);
          const isSchemaValid = validate(JSON.parse(text));
          const wrongTypes = (validate.errors ?? []).some(({ keyword }) => keyword === "type");
          if (!wrongTypes) {
            expect({ text, faults, isValid: faults.length === 0 }).toEqual({ text, faults, isValid: isSchemaValid });
          } else {
            expect(isSchemaValid).toBe(false);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
