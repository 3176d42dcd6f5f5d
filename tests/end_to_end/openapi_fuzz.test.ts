import { describe, expect, test } from "bun:test";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { startDaemon } from "../support/daemon_process.ts";
import { type ApiDocument, type MadeRequest, requestsOf } from "../support/openapi_requests.ts";

// BARTENDER_TEST_SEED=<n> makes the same requests again, BARTENDER_TEST_REQUESTS=<n> that many.
const SEED = Number(process.env.BARTENDER_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const REQUESTS = Number(process.env.BARTENDER_TEST_REQUESTS ?? 600);

const CONFIG = `
job_root_dir: jobs
limits: {interactive_max_load: 1000}
applications:
  wc: {command_template: "mkdir -p sub/dir; wc README.md | tee sub/dir/out.txt", upload_needs: [README.md]}
  nap: {command_template: "echo begun; echo begun >&2; sleep 600"}
  greet:
    command_template: echo {{ name|q }} {{ times }}
    input_schema:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: {type: string, maxLength: 20}
        times: {type: integer, minimum: 1, default: 1}
interactive_applications:
  echo:
    command_template: echo {{ text|q }} {{ number|q }}
    timeout: 5
    input_schema:
      type: object
      additionalProperties: false
      required: [text]
      properties: {text: {type: string, maxLength: 100}, number: {type: number}, really: {type: boolean}}
  slow: {command_template: sleep 100, timeout: 0.05, input_schema: {type: object}}
  nap: {command_template: "true", job_application: nap, input_schema: {type: object}}
destinations:
  local: {scheduler: {type: memory, slots: 2}, filesystem: {type: local}}
`;

/** A request that takes longer counts as hanging, however busy the machine is. */
const HANGING_AFTER_MS = 20_000;

/** Statuses above 499 that say why, and that they are meant. */
const MEANT_FAULTS = [501, 503, 504, 507];

/** What any request may come to whatever operation was meant: other route, other method, a body that breaks off. */
const GENERAL_REFUSALS = [304, 307, 400, 404, 405];

describe("every operation of the API's description", () => {
  test("answers good and bad requests in time, without a fault, as described", async () => {
    await using daemon = await startDaemon({ config: CONFIG });
    const finished = await daemon.submitOk("wc", { "README.md": "one two\n", "docs/ä b.html": "<p>" });
    await daemon.until(finished, "ok");
    const running = await daemon.submitOk("nap", {});
    await daemon.until(running, "running");
    const endableIds: number[] = [];
    for (let count = 0; count < 4; count++) endableIds.push(await daemon.submitOk("nap", {}));
    const document = (await (await daemon.call("GET", "/api/openapi.json")).json()) as ApiDocument;
    const check = answerChecker(document);
    const requests = requestsOf(document, {
      token: await daemon.token(),
      jobIds: [finished, finished, running],
      endableIds,
      paths: ["README.md", "sub", "sub/dir", "sub/dir/out.txt", "docs/ä b.html"],
    });
    const seen = new Map<string, Set<number>>();

    const outcome = await fc.check(
      fc.asyncProperty(requests, async (request) => {
        const status = await send(daemon.url, request, check);
        const { operationId } = request.operation;
        seen.set(operationId, (seen.get(operationId) ?? new Set()).add(status));
      }),
      { seed: SEED, numRuns: REQUESTS, endOnFailure: true },
    );
    if (outcome.failed) {
      const how = `BARTENDER_TEST_SEED=${SEED}, request ${outcome.numRuns}`;
      throw new Error(`${how}: ${outcome.errorInstance}\n${daemon.log().slice(-2000)}`);
    }

    expect((await daemon.call("GET", "/api/health")).status).toBe(200);
    expect((await daemon.job(finished)).state).toBe("ok");
    expect((await daemon.job(running)).state).toBe("running");
    // Otherwise nothing was tried.
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item));
    const untried = operations
      .filter(({ operationId }) => !seen.has(operationId))
      .map(({ operationId }) => operationId);
    expect(untried).toEqual([]);
    const good = [...seen.values()].filter((statuses) => [200, 202, 204, 303].some((status) => statuses.has(status)));
    expect(good.length).toBeGreaterThan(operations.length / 2);
  }, 240_000);
});

/** @returns the status */
async function send(url: string, request: MadeRequest, check: AnswerChecker): Promise<number> {
  const { method, path, headers, body } = request;
  let seen = "no answer";
  try {
    const response = await fetch(url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      redirect: "manual",
      signal: AbortSignal.timeout(HANGING_AFTER_MS),
    });
    seen = String(response.status);
    // A job that runs on can be followed for ever.
    const isEndless = response.status === 200 && /[?&]follow=|\/events(\?|$)/.test(path);
    const text = isEndless ? await response.body?.cancel() : await response.text();
    seen = `${response.status} ${String(text).slice(0, 500)}`;
    const complaint = check(request, response, text ?? undefined);
    if (complaint !== undefined) throw new Error(complaint);
    return response.status;
  } catch (error) {
    const shown = { method, path, ...headers, authorization: headers.authorization?.slice(0, 15) };
    throw new Error(`${JSON.stringify(shown)}: ${seen}: ${error}`, { cause: error });
  }
}

/** @returns what is wrong with an answer, in words */
type AnswerChecker = (request: MadeRequest, response: Response, text: string | undefined) => string | undefined;

function answerChecker(document: ApiDocument): AnswerChecker {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validators = new Map<string, ValidateFunction>();
  const validatorOf = (key: string, schema: object): ValidateFunction => {
    const validator = validators.get(key) ?? ajv.compile({ ...schema, components: document.components });
    validators.set(key, validator);
    return validator;
  };

  return ({ operation, method }, response, text) => {
    const { status } = response;
    if (status >= 500 && !MEANT_FAULTS.includes(status)) return "is a fault";
    const described = operation.responses[String(status)];
    if (described === undefined && !GENERAL_REFUSALS.includes(status)) return "is not described";
    if (method === "HEAD" || text === undefined) return undefined;
    if (status >= 400) return faultOfRefusal(response, text);
    const schema = described?.content?.["application/json"]?.schema;
    if (status !== 200 || schema === undefined || !isJson(response)) return undefined;
    const validate = validatorOf(`${operation.operationId} ${status}`, schema);
    return validate(JSON.parse(text)) ? undefined : `does not fit its schema (${ajv.errorsText(validate.errors)})`;
  };
}

/** Clients show the detail, whatever was refused. */
function faultOfRefusal(response: Response, text: string): string | undefined {
  if (!isJson(response)) return "has no JSON body";
  const { detail } = JSON.parse(text) as { readonly detail?: unknown };
  if (typeof detail === "string" && detail.length > 0) return undefined;
  const isList = Array.isArray(detail) && detail.length > 0 && response.status === 422;
  return isList ? undefined : "has no readable detail";
}

function isJson(response: Response): boolean {
  return response.headers.get("content-type") === "application/json";
}
