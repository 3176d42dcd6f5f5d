import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Application, mayUse } from "../core/application.ts";
import type { Job } from "../core/job.ts";
import type { JsonObject } from "../core/json.ts";
import { absoluteUrl } from "./absolute_url.ts";
import { authenticate, type Caller } from "./authenticate.ts";
import type { ByteSource } from "./byte_source.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { jobLabel } from "./job_label.ts";
import { boundaryOf } from "./multipart.ts";
import { invalidParameters, Refusal } from "./refusal.ts";
import { type Turns, turnTaking } from "./turns.ts";
import { unpack } from "./unpack.ts";
import { type ReceivedForm, type ReceivedUpload, receiveForm, ZIP_MEDIA_TYPES } from "./upload_form.ts";
import { readZipIndex, type ZipIndex } from "./zip_index.ts";

type UploadedFile = Extract<ReceivedUpload, { readonly type: "file" }>;

/** A submission of which everything but the data of the archive has been checked. */
interface Submission {
  readonly caller: Caller;
  readonly application: Application;
  readonly parameters: JsonObject;
  readonly name: string;
}

/** Submit a job to an application. */
export function applicationRoutes(deps: EdgeDeps): readonly Route[] {
  const turnsOfOne = turnTaking(deps.clock);

  const submit = async (c: EdgeContext): Promise<Response> => {
    // Nothing of the body is read before it is known that the caller may submit.
    const caller = await authenticate(c, deps);
    const application = requestedApplication(c, deps);
    if (!mayUse(application, caller.roles)) throw new Refusal(403, "Missing role.");
    const form = await receiveForm(c.req.raw, {
      boundary: requestedBoundary(c),
      uploadDir: deps.jobs.uploadDir,
      maxUploadBytes: deps.limits.maxUploadBytes,
    });
    try {
      const upload = uploadedFile(form);
      const source = await archiveOf(upload);
      const turns = turnsOfOne();
      const index = await readZipIndex(source, deps.limits, turns);
      checkNeeds(application, index);
      const parameters = validParameters(application, form);
      const name = jobLabel(upload.fileName);
      const job = await accept({ caller, application, parameters, name }, source, index, turns);
      return new Response(null, { status: 303, headers: { location: absoluteUrl(c, deps, `/api/job/${job.id}`) } });
    } finally {
      if (form.upload?.type === "file") await form.upload.archive?.close();
    }
  };

  /** Unpacks into a private directory that becomes the job's; when anything fails, it is removed. */
  const accept = async (submission: Submission, source: ByteSource, index: ZipIndex, turns: Turns): Promise<Job> => {
    const directory = mkdtempSync(join(deps.jobs.uploadDir, "upload-"));
    try {
      await unpack(source, index, directory, turns);
      return await deps.jobs.submit({
        name: submission.name,
        application: submission.application.name,
        submitter: submission.caller.username,
        parameters: submission.parameters,
        upload: basename(directory),
      });
    } catch (error) {
      await discard(directory);
      throw error;
    }
  };

  const discard = async (directory: string): Promise<void> => {
    try {
      await rm(directory, { recursive: true, force: true });
    } catch (error) {
      // The refusal itself matters more to the client; left-overs are cleared away later.
      deps.logger.warn("Upload directory could not be removed", { directory, err: error });
    }
  };

  return [{ method: "PUT", path: "/api/application/:application", handle: submit }];
}

function requestedApplication(c: EdgeContext, deps: EdgeDeps): Application {
  const application = deps.applications.get(c.req.param("application") ?? "");
  if (application !== undefined) return application;
  const names = [...deps.applications.keys()].join(", ");
  throw new Refusal(422, `Invalid application. Valid applications: ${names}`);
}

function requestedBoundary(c: EdgeContext): string {
  const contentType = c.req.header("content-type") ?? "";
  // Another kind of body has no parts at all.
  if (!/^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType)) throw missingUpload();
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) throw new Refusal(400, "Missing boundary in multipart.");
  return boundary;
}

function uploadedFile({ upload }: ReceivedForm): UploadedFile {
  if (upload === undefined) throw missingUpload();
  if (upload.type === "file") return upload;
  throw invalidParameters([
    { loc: ["body", "upload"], msg: "Expected UploadFile, received: <class 'str'>", type: "value_error" },
  ]);
}

function missingUpload(): Refusal {
  return invalidParameters([{ loc: ["body", "upload"], msg: "field required", type: "value_error.missing" }]);
}

function archiveOf({ archive, mediaType }: UploadedFile): Promise<ByteSource> {
  if (archive !== undefined) return archive.finish();
  throw new Refusal(
    415,
    `Uploaded file has content type ${JSON.stringify(mediaType)}, expected ${ZIP_MEDIA_TYPES.join(" or ")}`,
  );
}

function checkNeeds({ uploadNeeds }: Application, { tree }: ZipIndex): void {
  const missing = uploadNeeds.filter((need) => !tree.hasFile(shortest(need)));
  if (missing.length > 0) throw new Refusal(422, `Archive does not contain required files: ${missing.join(", ")}`);
}

/** `./a//b` names the same file as `a/b`. */
function shortest(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function validParameters(application: Application, { fields }: ReceivedForm): JsonObject {
  const validation = application.validateForm(fields);
  if (validation.isValid) return validation.value;
  throw new Refusal(422, validation.violations.join("; "));
}
