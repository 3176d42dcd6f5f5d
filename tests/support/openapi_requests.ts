import fc from "fast-check";
import { zipFile } from "./daemon_process.ts";

/** The parts of an OpenAPI document that requests are made from. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

export interface ApiOperation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: "path" | "query" | "header";
    readonly required: boolean;
    readonly schema: ApiSchema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: ApiSchema }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>;
}

interface ApiSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maxLength?: number;
  readonly items?: ApiSchema;
  readonly properties?: Readonly<Record<string, ApiSchema>>;
  readonly required?: readonly string[];
}

/** A request that was made up, good or bad. */
export interface MadeRequest {
  readonly operation: ApiOperation;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | FormData | Uint8Array<ArrayBuffer> | undefined;
}

/** What good requests need to know about the service. */
export interface RequestWorld {
  readonly token: string;
  /** Jobs that are there, for everything but to be ended. */
  readonly jobIds: readonly number[];
  /** Jobs that may be cancelled. */
  readonly endableIds: readonly number[];
  /** Files and directories of these jobs. */
  readonly paths: readonly string[];
}

const METHODS = ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"];

/** Good and bad requests for every operation of `document`, all equally often. */
export function requestsOf(document: ApiDocument, world: RequestWorld): fc.Arbitrary<MadeRequest> {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => {
      const methods = Object.keys(item).map((one) => one.toUpperCase());
      return requestFor(
        path,
        method.toUpperCase(),
        METHODS.filter((one) => !methods.includes(one)),
        operation,
        world,
      );
    }),
  );
  return fc.oneof(...operations);
}

function requestFor(
  template: string,
  method: string,
  wrongMethods: readonly string[],
  operation: ApiOperation,
  world: RequestWorld,
): fc.Arbitrary<MadeRequest> {
  const parameters = operation.parameters ?? [];
  const segments = parameters
    .filter((one) => one.in === "path")
    .map((one) => segment(one.name, method, template, world));
  const queries = parameters.filter((one) => one.in === "query").map((one) => queryParameter(one.name, one.schema));
  return fc
    .record({
      method: mostly(fc.constant(method), fc.constantFrom(...wrongMethods)),
      segments: fc.tuple(...segments),
      queries: fc.tuple(
        ...queries,
        mostly(
          fc.constant(""),
          garbage.map((text) => encodeURIComponent(text)),
        ),
      ),
      slash: mostly(fc.constant(""), fc.constant("/")),
      authorization: authorization(world.token),
      further: fc.tuple(...parameters.filter((one) => one.in === "header").map((one) => header(one.name))),
      contentType: fc.constantFrom(
        undefined,
        "application/json",
        "application/json",
        "text/plain",
        "multipart/form-data",
        "x",
      ),
      body: bodyFor(operation),
    })
    .map((made) => {
      let index = 0;
      const path = template.replaceAll(/\{\w+\}/g, () => made.segments[index++] ?? "");
      const query = made.queries.filter((part) => part !== "").join("&");
      const hasBody = !["GET", "HEAD"].includes(made.method);
      const isForm = made.body instanceof FormData;
      return {
        operation,
        method: made.method,
        path: path + made.slash + (query === "" ? "" : `?${query}`),
        headers: {
          ...made.authorization,
          ...Object.fromEntries(made.further.filter(([, value]) => value !== undefined)),
          ...(made.contentType === undefined || (hasBody && isForm) ? {} : { "content-type": made.contentType }),
        },
        body: hasBody ? made.body : undefined,
      };
    });
}

function segment(
  name: string,
  method: string,
  template: string,
  { jobIds, endableIds, paths }: RequestWorld,
): fc.Arbitrary<string> {
  // An empty number makes another path.
  const odd = garbage.filter((text) => text !== "" || name !== "jobid").map(encodeURIComponent);
  // Numbers are read as leniently as `+1`.
  const others = odd.filter((text) => !jobIds.some((id) => Number(decodeURIComponent(text)) === id));
  if (name === "jobid" && method === "DELETE") return mostly(fc.integer({ min: 1_000_000 }).map(String), others);
  if (name === "jobid" && template.endsWith("/cancel")) {
    return mostly(fc.constantFrom(...endableIds.map(String)), others);
  }
  if (name === "jobid") return mostly(fc.constantFrom(...jobIds.map(String)), odd);
  const good = fc.constantFrom(...paths.flatMap((path) => [path, encodeURIComponent(path), `${path}/`, `./${path}`]));
  return fc.oneof(
    good,
    odd,
    fc.constantFrom("%2e%2e/%2e%2e/etc/passwd", "..%2f..", "%00", "a%2f%2f", "%", "%zz", "%ff"),
  );
}

/** Few values, so that some come again. */
function header(name: string): fc.Arbitrary<readonly [string, string | undefined]> {
  return fc.constantFrom(undefined, "one", '"two"', "no, one", "x".repeat(256)).map((value) => [name, value]);
}

function queryParameter(name: string, schema: ApiSchema): fc.Arbitrary<string> {
  const pair = (value: unknown) => `${name}=${encodeURIComponent(String(value))}`;
  const good = fromSchema(schema).map((value) => [value].flat().map(pair).join("&"));
  return fc.oneof(
    fc.constant(""),
    good,
    garbage.map(pair),
    fc.tuple(good, good).map((twice) => twice.join("&")),
  );
}

function authorization(token: string): fc.Arbitrary<Readonly<Record<string, string>>> {
  const good: Readonly<Record<string, string>> = { authorization: `Bearer ${token}` };
  const bad = fc.constantFrom<Readonly<Record<string, string>>>(
    {},
    { authorization: "Basic YTpi" },
    { authorization: "Bearer a.b.c" },
    { authorization: `Bearer ${token}x` },
    { authorization: `Bearer ${"x".repeat(8000)}` },
    { cookie: `bartenderToken=${token}` },
    { cookie: 'bartenderToken="; =; ' },
  );
  return fc.oneof({ weight: 6, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: bad });
}

function bodyFor({ requestBody }: ApiOperation): fc.Arbitrary<MadeRequest["body"]> {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => new Uint8Array(array));
  const text = fc.oneof(fc.json(), garbage, fc.constantFrom("", "{", '{"a": ', "nul", "[".repeat(5000), '"\\ud800"'));
  const json = requestBody?.content["application/json"]?.schema;
  const form = requestBody?.content["multipart/form-data"]?.schema;
  if (json !== undefined) {
    const good = fromSchema(json).map((value) => JSON.stringify(value));
    return fc.oneof({ weight: 4, arbitrary: good }, { weight: 3, arbitrary: text }, { weight: 1, arbitrary: bytes });
  }
  if (form !== undefined) {
    return fc.oneof(
      { weight: 4, arbitrary: uploadForm(form) },
      { weight: 1, arbitrary: text },
      { weight: 1, arbitrary: bytes },
    );
  }
  return mostly(fc.constant(undefined), text);
}

function uploadForm(schema: ApiSchema): fc.Arbitrary<FormData> {
  const files = fc.constantFrom<Readonly<Record<string, string>>>({ "README.md": "one two\n" }, { "a/b.txt": "" }, {});
  const upload = fc.oneof(
    { weight: 4, arbitrary: files.map((content) => zipFile(content)) },
    { weight: 1, arbitrary: garbage.map((text) => new File([text], text.slice(0, 300), { type: "application/zip" })) },
    { weight: 1, arbitrary: files.map((content) => new File([zipFile(content)], "a.zip", { type: "text/plain" })) },
    { weight: 1, arbitrary: fc.constant("no file") },
  );
  const fields = Object.entries(schema.properties ?? {})
    .filter(([name]) => name !== "upload")
    .map(([name, field]) => fc.oneof(fromSchema(field), garbage).map((value) => [name, String(value)] as const));
  return fc
    .tuple(fc.option(upload, { freq: 8 }), fc.tuple(...fields), fc.boolean())
    .map(([file, values, hasFields]) => {
      const form = new FormData();
      if (file !== null) form.set("upload", file);
      for (const [name, value] of hasFields ? values : []) form.append(name, value);
      return form;
    });
}

/** Values that fit the schema, nearly always. */
function fromSchema(schema: ApiSchema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const min = schema.exclusiveMinimum !== undefined ? schema.exclusiveMinimum + 1 : (schema.minimum ?? -10);
  switch ([schema.type].flat()[0]) {
    case "integer":
      return fc.integer({ min, max: 200 });
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "boolean":
      return fc.boolean();
    case "string":
      return fc.string({ maxLength: Math.min(schema.maxLength ?? 40, 40), unit: "grapheme" });
    case "array":
      return fc.array(fromSchema(schema.items ?? {}), { maxLength: 4 });
    case "object": {
      const properties = Object.entries(schema.properties ?? {}).map(([name, one]) => [name, fromSchema(one)] as const);
      return fc.record(Object.fromEntries(properties), { requiredKeys: [...(schema.required ?? [])] });
    }
    default:
      return fc.jsonValue();
  }
}

/** Texts that no parameter is meant for. */
const garbage: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...["", "NaN", "-1", "0", "1.5", "1e3", "0x10", " 1", "+1", "١", "2147483648", "99999999999999999999", "true"],
    ...[
      "null",
      "..",
      "../..",
      "/etc/passwd",
      "a\0b",
      "é",
      "\u{1F600}",
      "%",
      "%2e",
      "'; DROP TABLE job; --",
      "*",
      "[",
      "~",
    ],
    "x".repeat(3000),
  ),
  fc.string({ unit: "binary", maxLength: 30 }),
);

function mostly<T>(usual: fc.Arbitrary<T>, seldom: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 7, arbitrary: usual }, { weight: 1, arbitrary: seldom });
}
