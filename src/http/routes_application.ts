import { type Application, mayUse } from "../core/application.ts";
import type { JobId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { turnTaking } from "../files/turns.ts";
import { absoluteUrl } from "./absolute_url.ts";
import { checkApplication, submissionAcceptor } from "./accept_submission.ts";
import { submissionAdmission } from "./admission.ts";
import { authenticate } from "./authenticate.ts";
import type { ByteSource } from "./byte_source.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { freeSpaceGuard } from "./free_space.ts";
import { idempotencyKey } from "./idempotency_key.ts";
import { jobLabel } from "./job_label.ts";
import { boundaryOf } from "./multipart.ts";
import { invalidParameters, Refusal } from "./refusal.ts";
import { submissionDigest } from "./submission_digest.ts";
import { type ReceivedForm, type ReceivedUpload, receiveForm, ZIP_MEDIA_TYPES } from "./upload_form.ts";
import { readZipIndex, type ZipIndex } from "./zip_index.ts";

type UploadedFile = Extract<ReceivedUpload, { readonly type: "file" }>;

/** A submission of which only the head was read. */
interface Addressed {
  readonly submitter: string;
  readonly application: Application;
  readonly key: string | undefined;
}

/** Submit a job to an application. */
export function applicationRoutes(deps: EdgeDeps): readonly Route[] {
  const turnsOfOne = turnTaking(deps.clock);
  const accept = submissionAcceptor(deps);
  const admit = submissionAdmission(deps);
  const checkFreeSpace = freeSpaceGuard(deps);

  const submit = async (c: EdgeContext): Promise<Response> => {
    // Nothing of the body is read before it is known that the caller may submit.
    const { username: submitter, roles } = await authenticate(c, deps);
    const application = requestedApplication(c, deps);
    if (!mayUse(application, roles)) throw new Refusal(403, "Missing role.");
    const key = idempotencyKey(c.req.header("idempotency-key"));
    const earlier = key === undefined ? undefined : await deps.jobs.keyed(submitter, key);
    if (earlier !== undefined) checkApplication(earlier, application);
    // What makes no new job is not limited.
    const leave = earlier === undefined ? await admit(submitter) : undefined;
    try {
      if (earlier === undefined) {
        await checkFreeSpace(announcedBytes(c));
        await deps.jobs.checkDestination(application.name, submitter, undefined);
      }
      const id = await receive(c, { submitter, application, key });
      return new Response(null, { status: 303, headers: { location: absoluteUrl(c, deps, `/api/job/${id}`) } });
    } finally {
      leave?.();
    }
  };

  const receive = async (c: EdgeContext, { submitter, application, key }: Addressed): Promise<JobId> => {
    const form = await receiveForm(c.req.raw, {
      boundary: requestedBoundary(c),
      uploadDir: deps.jobs.uploadDir,
      maxUploadBytes: deps.limits.maxUploadBytes,
      clock: deps.clock,
      checkFreeSpace: () => checkFreeSpace(0),
    });
    try {
      const upload = uploadedFile(form);
      const source = await archiveOf(upload);
      deps.metrics.uploaded(source.size);
      const turns = turnsOfOne();
      const index = await readZipIndex(source, deps.limits, turns);
      checkNeeds(application, index);
      const parameters = validParameters(application, form);
      const name = jobLabel(upload.fileName);
      const once = key === undefined ? undefined : { key, digest: await submissionDigest(form.fields, index, turns) };
      const { signal } = c.req.raw;
      await checkFreeSpace(index.expandedBytes);
      return await accept({ submitter, application, parameters, name, source, index, turns, once, signal });
    } finally {
      if (form.upload?.type === "file") await form.upload.archive?.close();
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

/** How long the body is going to be; 0 when the client does not tell. */
function announcedBytes(c: EdgeContext): number {
  const length = Number(c.req.header("content-length") ?? 0);
  return Number.isFinite(length) ? length : 0;
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
