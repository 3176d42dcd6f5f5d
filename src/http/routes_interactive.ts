import { Buffer } from "node:buffer";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { InteractiveApplication } from "../core/application.ts";
import { CommandStartError } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";
import type { Job } from "../core/job.ts";
import type { JsonObject } from "../core/json.ts";
import { sandboxWords } from "../core/sandbox.ts";
import { TemplateRenderError } from "../core/template/errors.ts";
import { parseJsonWithFloats } from "../core/template/variables.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommandOutput, CommandResult } from "../ports/command_runner.ts";
import { jsonAnswer } from "./answer.ts";
import { completedJob, fileNotFound } from "./completed_job.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { type EmbeddedFile, embeddedFiles, writeEmbeddedFiles } from "./embedded_files.ts";
import { decodeUtf8, parseJson } from "./json_body.ts";
import { jobNotFound } from "./parameter_check.ts";
import { invalidParameters, Refusal } from "./refusal.ts";
import { readBody } from "./request_body.ts";

/** How much of either output is answered. */
const MAX_OUTPUT_BYTES = 1_048_576;

/** Room for embedded images, but not for much more: the body is kept in memory. */
const MAX_BODY_BYTES = 10_000_000;

/** Longest argument of a process on Linux, with its final NUL. */
const MAX_COMMAND_BYTES = 131_071;

/** How long a client should wait before it tries again, in seconds. */
const BUSY_RETRY_AFTER_S = "5";
/** The load is an average over a minute and sinks slowly. */
const LOAD_RETRY_AFTER_S = "30";

/**
 * Run a short command in the directory of a completed job, and wait for it.
 *
 * Commands of one job run one after the other: a request waits for its turn as long as its command may run.
 */
export function interactiveRoutes(deps: EdgeDeps): readonly Route[] {
  const { applications, runner, environment, maxLoad, load, turns } = deps.interactive;

  const runInJob = async (c: EdgeContext): Promise<Response> => {
    const { job, username } = await completedJob(c, deps, () => undefined);
    const application = requestedApplication(c);
    if (load() > maxLoad) {
      throw unavailable("Machine load is too high, please try again later.", LOAD_RETRY_AFTER_S);
    }
    checkJobApplication(application, job);
    const body = validBody(application, await receiveBody(c.req.raw, deps.clock));
    const files = embeddedFiles(application.inputSchema, body.values);

    const signal = c.req.raw.signal;
    const leave = await turns.enter(job.id, application.timeoutS * 1000, signal);
    if (leave === undefined) {
      throw unavailable(
        `Job ${job.id} is busy with another interactive application, please try again later`,
        BUSY_RETRY_AFTER_S,
      );
    }
    try {
      // While the request waited, the job may have been deleted.
      if ((await deps.jobs.get(job.id, username)) === undefined) throw jobNotFound();
      const cwd = await directoryOf(job.id);
      const result = await runWith(files, body, application, cwd, signal);
      if (result.isTimedOut) throw timedOut(application);
      return jsonAnswer(resultToJson(result));
    } finally {
      leave();
    }
  };

  function requestedApplication(c: EdgeContext): InteractiveApplication {
    const application = applications.get(c.req.param("application") ?? "");
    if (application !== undefined) return application;
    const names = [...applications.keys()];
    const hint = names.length === 0 ? "There are none" : `Valid interactive applications: ${names.join(", ")}`;
    throw new Refusal(404, `Interactive application not found. ${hint}`);
  }

  async function directoryOf(id: JobId): Promise<string> {
    const directory = join(deps.jobs.jobRootDir, String(id));
    // Whatever keeps us from it: there is nothing to run a command in.
    const info = await stat(directory).catch(() => undefined);
    if (info?.isDirectory() !== true) throw fileNotFound();
    return directory;
  }

  async function runWith(
    files: readonly EmbeddedFile[],
    { values, floats }: Body,
    application: InteractiveApplication,
    cwd: string,
    signal: AbortSignal,
  ): Promise<CommandResult> {
    const { sandbox } = application;
    if (files.length === 0 && !sandbox.some((word) => word.includes("{files}"))) return run(values, cwd);
    const written = await writeEmbeddedFiles(deps.jobs.uploadDir, files);
    try {
      return await run({ ...values, ...written.paths }, written.directory);
    } finally {
      await written.remove();
    }

    async function run(variables: JsonObject, directoryOfFiles: string): Promise<CommandResult> {
      const shell = ["/bin/sh", "-c", renderedCommand(application, variables, floats)];
      const words = [...sandboxWords(sandbox, { directory: cwd, files: directoryOfFiles }), ...shell];
      const command = {
        program: words[0] ?? "",
        args: words.slice(1),
        cwd,
        environment,
        timeoutMs: application.timeoutS * 1000,
        maxOutputBytes: MAX_OUTPUT_BYTES,
      };
      try {
        return await runner.run(command, signal);
      } catch (error) {
        // Nobody reads this answer; it is for the log.
        if (signal.aborted) throw new Refusal(499, "The client has left", { cause: error });
        if (error instanceof CommandStartError && error.retryable) throw unavailable(error.message, BUSY_RETRY_AFTER_S);
        throw error;
      }
    }
  }

  return [{ method: "POST", path: "/api/job/:jobid/interactive/:application", handle: runInJob }];
}

function checkJobApplication({ jobApplication }: InteractiveApplication, job: Job): void {
  if (jobApplication === undefined || jobApplication === job.application) return;
  const [actual, wanted] = [JSON.stringify(job.application), JSON.stringify(jobApplication)];
  throw new Refusal(422, `Job was run with application ${actual}, not with ${wanted}`);
}

async function receiveBody(request: Request, clock: Clock): Promise<string> {
  const text = decodeUtf8(await readBody(request, MAX_BODY_BYTES, clock));
  if (text.trim() !== "") return text;
  throw invalidParameters([{ loc: ["body"], msg: "field required", type: "value_error.missing" }]);
}

/** What the template gets to see of a request. */
interface Body {
  readonly values: JsonObject;
  /** Where whole numbers were written as floats: Jinja2 writes `1.0` for those. */
  readonly floats: ReadonlySet<string>;
}

function validBody(application: InteractiveApplication, text: string): Body {
  const validation = application.validateBody(parseJson(text));
  if (validation.isValid) return { values: validation.value, floats: parseJsonWithFloats(text).floats };
  throw new Refusal(422, validation.violations.join("; "));
}

function renderedCommand(
  { command }: InteractiveApplication,
  variables: JsonObject,
  floats: ReadonlySet<string>,
): string {
  const line = renderOrRefuse();
  if (line.includes("\0")) throw new Refusal(422, "Values must not contain NUL characters");
  if (Buffer.byteLength(line) > MAX_COMMAND_BYTES) {
    throw new Refusal(422, `Values make the command longer than ${MAX_COMMAND_BYTES} bytes`);
  }
  return line;

  function renderOrRefuse(): string {
    try {
      return command.render(variables, floats);
    } catch (error) {
      if (error instanceof TemplateRenderError) throw new Refusal(422, error.message, { cause: error });
      throw error;
    }
  }
}

function timedOut({ name, timeoutS }: InteractiveApplication): Refusal {
  return new Refusal(
    504,
    `Interactive application ${JSON.stringify(name)} was ended after its time limit of ${timeoutS} s`,
  );
}

function unavailable(detail: string, retryAfterS: string): Refusal {
  return new Refusal(503, detail, { headers: { "retry-after": retryAfterS } });
}

/** What an interactive application answers; the keys in this order. */
export interface InteractiveAppResult {
  readonly returncode: number;
  readonly stderr: string;
  readonly stdout: string;
}

function resultToJson({ returnCode, stdout, stderr }: CommandResult): InteractiveAppResult {
  return { returncode: returnCode, stderr: shown(stderr), stdout: shown(stdout) };
}

/** Says in the text itself that something is missing, so that people see it whatever client they use. */
function shown({ text, isTruncated }: CommandOutput): string {
  return isTruncated ? `${text}\n[Only the first ${MAX_OUTPUT_BYTES} bytes of this output were kept]\n` : text;
}
